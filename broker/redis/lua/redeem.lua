-- KEYS: ticket. ARGV: a word that only this use knows, ms to keep.
-- The same use may come twice, when its first answer was lost on the way.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0

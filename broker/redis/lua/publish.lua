-- KEYS: counter, route. ARGV: channel, bucket, body, epoch, route, ms to keep.
-- A route is its epoch in decimal, a line feed, and what scripts do not read.
-- The same one again is kept longer and not told: after an outage a control
-- plane repeats all it has.
local known = redis.call('GET', KEYS[2])
if known and newer(string.match(known, '^%d+'), ARGV[4]) then return 0 end
redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
if known ~= ARGV[5] then tell(KEYS[1], ARGV[1], ARGV[2], 'route', ARGV[4], ARGV[3]) end
return 1

-- Gives a claim up, if it is the present one; its epoch stays known.
-- KEYS: claim. ARGV: gateway, epoch.
local held = redis.call('HMGET', KEYS[1], 'g', 'e')
if held[1] == ARGV[1] and held[2] == ARGV[2] then
  redis.call('HSET', KEYS[1], 'x', '0')
  return 1
end
return 0

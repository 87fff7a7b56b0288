-- KEYS: ends, about. ARGV: gateway's id, node, ms, or 0 to take it off the list.
local now = clock()
prune(KEYS[1], KEYS[2], now)
if ARGV[3] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 1
end
redis.call('ZADD', KEYS[1], now + ARGV[3] * 1000, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
linger(KEYS[1], ARGV[3])
linger(KEYS[2], ARGV[3])
return 1

-- KEYS: counter, ends, about. ARGV: channel, bucket, body, viewer's id, viewer, ms.
local now = clock()
local known = redis.call('ZSCORE', KEYS[2], ARGV[4])
local fresh = not known or tonumber(known) <= now
local gone = prune(KEYS[2], KEYS[3], now)
redis.call('ZADD', KEYS[2], now + ARGV[6] * 1000, ARGV[4])
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
linger(KEYS[2], ARGV[6])
linger(KEYS[3], ARGV[6])
if fresh or gone > 0 then tell(KEYS[1], ARGV[1], ARGV[2], 'presence', '0', ARGV[3]) end
return 1

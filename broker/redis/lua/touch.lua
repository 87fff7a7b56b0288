-- KEYS: counter, touch. ARGV: channel, bucket, body, nanoseconds since 1970, ms to keep.
local last = redis.call('GET', KEYS[2])
if last and not newer(ARGV[4], last) then return 0 end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
tell(KEYS[1], ARGV[1], ARGV[2], 'touch', '0', ARGV[3])
return 1

-- KEYS: counter, revocation. ARGV: channel, bucket, body, before in nanoseconds
-- since 1970, revocation, ms to keep.
-- A second one at the same target only ever adds: neither its reach nor its end
-- moves back.
local known = redis.call('HMGET', KEYS[2], 'before', 'about')
if not known[1] or not newer(known[1], ARGV[4]) then
  redis.call('HSET', KEYS[2], 'before', ARGV[4], 'about', ARGV[5])
end
linger(KEYS[2], ARGV[6])
tell(KEYS[1], ARGV[1], ARGV[2], 'revocation', '0', ARGV[3])
return 1

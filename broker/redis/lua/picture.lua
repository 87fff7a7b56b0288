-- KEYS: counter, picture. ARGV: channel, bucket, body, taken in nanoseconds
-- since 1970, picture, width, height, ms to keep.
local known = redis.call('HGET', KEYS[2], 'taken')
if known and newer(known, ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], 'taken', ARGV[4], 'jpeg', ARGV[5], 'width', ARGV[6], 'height', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[8])
if known ~= ARGV[4] then tell(KEYS[1], ARGV[1], ARGV[2], 'thumbnail', '0', ARGV[3]) end
return 1

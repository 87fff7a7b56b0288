-- KEYS: counter, ends, about. ARGV: channel, bucket, body, viewer's id.
if redis.call('ZREM', KEYS[2], ARGV[4]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[4])
tell(KEYS[1], ARGV[1], ARGV[2], 'presence', '0', ARGV[3])
return 1

-- KEYS: counter, ends, about. ARGV: channel, bucket, body.
if prune(KEYS[2], KEYS[3], clock()) > 0 then
  tell(KEYS[1], ARGV[1], ARGV[2], 'presence', '0', ARGV[3])
end
return redis.call('HVALS', KEYS[3])

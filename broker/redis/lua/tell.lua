-- KEYS: counter. ARGV: channel, bucket, body, kind.
tell(KEYS[1], ARGV[1], ARGV[2], ARGV[4], '0', ARGV[3])
return 1

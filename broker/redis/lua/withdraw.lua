-- KEYS: counter, route. ARGV: channel, bucket, body, epoch.
local known = redis.call('GET', KEYS[2])
if not known then return 0 end
local epoch = string.match(known, '^%d+')
if newer(epoch, ARGV[4]) then return 0 end
redis.call('DEL', KEYS[2])
tell(KEYS[1], ARGV[1], ARGV[2], 'withdrawn', epoch, ARGV[3])
return 1

-- KEYS: when an allowance is whole again, in microseconds since 1970. ARGV: by how
-- much this puts it off, how far off it may be. Returns how long to wait.
local now = clock()
local whole = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = whole - now - ARGV[2]
if wait > 0 then return wait end
whole = whole + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000) + 1)
return 0

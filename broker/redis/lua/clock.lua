-- clock is the server's own time in microseconds since 1970: exact in Lua's
-- numbers until the year 2255.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

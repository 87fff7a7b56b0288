-- newer compares decimal numbers of any size as text: Lua's own numbers are
-- exact up to 2^53 only.
local function newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

-- tell publishes an event. Events of one kind from one bucket are counted, so
-- that a reader knows when it missed some. A count begins at the time, so that
-- one which was forgotten goes on far above what it was. where is its key.
local function tell(where, channel, bucket, kind, epoch, body)
  local n = redis.call('HINCRBY', where, kind, 1)
  if n == 1 then
    n = clock()
    redis.call('HSET', where, kind, string.format('%.0f', n))
  end
  redis.call('PUBLISH', channel .. kind, bucket .. ' ' .. string.format('%.0f', n) .. ' ' .. epoch .. ' ' .. body)
end

-- linger keeps the key for at least ms from now on.
local function linger(key, ms)
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end

-- prune takes out of a set of ends (a sorted set) and what they are the ends
-- of (a hash) what is over, and returns how much that was.
local function prune(ends, about, now)
  local gone = 0
  repeat
    local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 1000)
    if #over > 0 then
      redis.call('ZREM', ends, unpack(over))
      redis.call('HDEL', about, unpack(over))
      gone = gone + #over
    end
  until #over < 1000
  return gone
end

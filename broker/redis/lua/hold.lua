-- Takes or prolongs a claim.
-- KEYS: claim {g: gateway, e: epoch, x: when it runs out}, route. The claim's key outlives the
-- claim, so that the epoch is remembered after it.
-- ARGV: 1 gateway, 2 lease in microseconds, 3 how long the key is kept in ms,
-- 4 'claim', 'renew', or 'anew' for a claim after a release: that may still be on
-- its way, so the claim gets another epoch, 5 the epoch the caller knows or 0, 6 '1' if the caller
-- vouches that its lease under that epoch has not run out, 7 how long the route
-- is kept: what is in use is not forgotten, 8 the epoch under which another
-- gateway held it that has died, or 0.
-- Returns: 'held' or 'claimed' or 'stale', gateway, epoch, microseconds left.
local gateway, lease, keep, want, mine, vouched = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
local now = clock()
local held = redis.call('HMGET', KEYS[1], 'g', 'e', 'x')
local holder, epoch, ends = held[1], held[2] or '0', tonumber(held[3] or '0')
local live = holder and ends > now

if vouched and newer(mine, epoch) then
  epoch = mine -- the store forgot it: it was emptied, or a replica that lagged took over
elseif live and holder == gateway and
  (want == 'claim' or want == 'renew' and epoch == mine or want == 'anew' and newer(epoch, mine)) then
  -- goes on as it is
elseif want == 'renew' then
  return {'stale'}
elseif live and holder ~= gateway and epoch ~= ARGV[8] then
  return {'claimed', holder, epoch, ends - now}
else
  -- Above everything that this store remembers, that the caller remembers, and
  -- that was given out before the store was emptied: then its clock showed less.
  local next = math.max(now, tonumber(epoch) + 1, tonumber(mine) + 1)
  epoch = string.format('%.0f', next)
end
redis.call('HSET', KEYS[1], 'g', gateway, 'e', epoch, 'x', string.format('%.0f', now + lease))
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return {'held', gateway, epoch, lease}

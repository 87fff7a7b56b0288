-- KEYS: ends, about.
prune(KEYS[1], KEYS[2], clock())
return redis.call('HVALS', KEYS[2])

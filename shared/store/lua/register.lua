-- Register a worker, or renew its lease, and count the other workers of its kind.
-- KEYS: 1 workers of that kind, by the end of their leases, 2 store
-- ARGV: 1 clock, 2 to 5 those of watch_clock.lua, 6 the worker, 7 ms for which the lease runs,
--       8 ms that any lease runs at most
-- Returns: {how many others have a lease, known}
-- One step: if two workers register at the same time, the second must count the first.
-- A lease that ends at this very moment has ended; may_wake_one.lua counts in the same way.
if ARGV[5] ~= '' and known[1] ~= '' and known[1] ~= ARGV[5] then return {0, known} end
-- This is the store's first worker. Release 0.2 may have filled the store: repair all due entries.
if not state[1] then redis.call('HSET', KEYS[2], 'seen', text(moment), 'misplaced_after', '') end
-- A lease that ends further ahead than any may is from before the clock was set back: its worker
-- registers again if it still runs.
redis.call('ZADD', KEYS[1], text(moment + ARGV[7]), ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(moment))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. text(moment + ARGV[8]), '+inf')
return {redis.call('ZCARD', KEYS[1]) - 1, known}

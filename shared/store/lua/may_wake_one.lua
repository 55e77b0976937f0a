-- Decide whether to wake one more worker; if so, note the time.
-- KEYS: 1 rate limit, 2 workers of one kind, by the end of their leases, 3 timestamps
-- ARGV: 1 clock, 2 furthest slot, 3 name of the timestamp, 4 how many workers are enough,
--       5 ms between two wakes, 6 ms that a lease lasts at most
-- Returns: 1 to wake one, else 0
-- One step: if many instances ask at the same time, only one may wake a worker.
-- A lease that ends further ahead, or a wake-up ahead of now, is from before the clock was set back.
local alive = redis.call('ZCOUNT', KEYS[2], '(' .. text(moment), text(moment + ARGV[6]))
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[3]) or '-inf')
-- One worker is enough while slots are taken ahead of time: then the rate limit delays the work, and
-- one more worker would send nothing sooner.
local enough = alive >= tonumber(ARGV[4]) or (alive > 0 and slot > now)
if enough or (last <= moment and moment - last < tonumber(ARGV[5])) then return 0 end
redis.call('HSET', KEYS[3], ARGV[3], text(moment))
return 1

-- Decide whether one more worker is to be woken, and note the time if so.
-- KEYS: 1 rate limit, 2 workers of one name, by the end of their leases, 3 timestamps
-- ARGV: 1 clock, 2 name of the timestamp, 3 how many workers are enough, 4 ms between two wakes
-- Returns: 1 if so, else 0
-- One step: of many instances that ask at the same time only one may be told to wake a worker.
local alive = redis.call('ZCOUNT', KEYS[2], '(' .. text(moment), '+inf')
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '-inf')
-- Fewer than enough also suffice while slots are taken ahead of time: the rate limit is what holds
-- the work up, and one more worker would send nothing sooner.
local enough = alive >= tonumber(ARGV[3]) or (alive > 0 and slot > now)
if enough or moment - last < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[3], ARGV[2], text(moment))
return 1

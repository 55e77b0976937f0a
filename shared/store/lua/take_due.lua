-- Take the first due records of the queue; nobody else gets them for a while.
-- KEYS: 1 later, 2 line, 3 lined
-- ARGV: 1 clock, 2 how many at most, 3 ms for which they are held
-- Returns: their orders, the most urgent first.
-- One step: two reconciles that take at the same time must not get the same record.
--
-- Records that have become due join the line before any is taken: one of them may be more urgent
-- than the whole line. BATCH limits the time of one step; the rest joins at the next step.
local BATCH = 2000
local ripe = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(moment), 'WITHSCORES',
  'LIMIT', 0, BATCH)
for i = 1, #ripe, 2 do
  redis.call('ZADD', KEYS[3], ripe[i + 1], ripe[i])
  redis.call('ZADD', KEYS[2], 0, ripe[i])
  redis.call('ZREM', KEYS[1], ripe[i])
end
local first = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)
-- Held records are due again when the hold ends, so that none is lost if its taker dies.
for _, order in ipairs(first) do
  redis.call('ZADD', KEYS[1], text(moment + ARGV[3]), order)
  redis.call('ZREM', KEYS[2], order)
  redis.call('ZREM', KEYS[3], order)
end
return first

-- Measure the queue.
-- KEYS: 1 later, 2 line, 3 lined
-- ARGV: 1 clock
-- Returns: {how many are due, ms since the oldest of them was due, ms until the next is due}; the
--          last is nil if the queue is empty.
-- One step: a record that moves from `later` to the line in between would be counted twice, or not
-- at all.
local ripe = redis.call('ZCOUNT', KEYS[1], '-inf', text(moment))
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local oldest = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
-- Either may be first: a record in `later` may be due, and not have joined the line yet.
local first = math.min(tonumber(next or 'inf'), tonumber(oldest or 'inf'))
if first == math.huge then return {0, 0, false} end
return {ripe + redis.call('ZCARD', KEYS[3]), text(math.max(moment - first, 0)),
  text(math.max(first - moment, 0))}

-- Count a crash of a stream's handling, and make the stream due later. The document is not read.
-- KEYS: 1 record, 2 quarantine, 3 later, 4 line, 5 lined
-- ARGV: 1 clock, 2 name, 3 ms of the first pause, 4 ms of the longest pause, 5 ms of the longest
--       pause if a recording is to end
-- Returns: ms of the pause, or nil for an unknown stream
-- One step: a save in between would put the stream into the queue at another position.
local row = redis.call('HMGET', KEYS[1], 'order', 'ends_at')
local order, ends_at = row[1], row[2]
if not order then return false end
local crashes = redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
local pause = math.min(ARGV[3] * 2 ^ math.min(crashes - 1, 20), tonumber(ARGV[4]))
-- An order begins with the command's priority. Characters 5 to 18 are the time since which the
-- command waits; zeros mean that none waits. A release that does not know `ends_at` leaves it out:
-- the end may have passed.
local stops = string.sub(order, 1, 1) == '0' and tonumber(string.sub(order, 5, 18)) > 0
local ended = not ends_at or (tonumber(ends_at) > 0 and tonumber(ends_at) <= moment)
if stops or ended then pause = math.min(pause, tonumber(ARGV[5])) end
local queued = redis.call('ZSCORE', KEYS[3], order) or redis.call('ZSCORE', KEYS[5], order)
if queued then
  redis.call('ZADD', KEYS[3], text(moment + pause), order)
  redis.call('ZREM', KEYS[4], order)
  redis.call('ZREM', KEYS[5], order)
end
return pause

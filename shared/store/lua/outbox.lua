-- Count the tasks.
-- KEYS: 1 tasks, 2 tasks due, 3 dead letters, 4 counts
-- ARGV: 1 clock
-- Returns: {open, their bytes, ms since the first was due, dead, their bytes, how many were dropped}
-- One step: all numbers are of one moment.
local oldest = moment
local first = redis.call('ZRANGEBYLEX', KEYS[2], '-', '+', 'LIMIT', 0, 1)[1]
while first do
  local queue, due_at = string.match(first, '^([^%z]*)%z(%d%d%d%d%d%d%d%d%d%d%d%d%d%d)')
  oldest = math.min(oldest, tonumber(due_at))
  first = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. queue .. '\1', '+', 'LIMIT', 0, 1)[1]
end
local counts = redis.call('HMGET', KEYS[4], 'outbox_bytes', 'dead_bytes', 'outbox_dropped')
return {redis.call('HLEN', KEYS[1]), tonumber(counts[1] or '0'), text(moment - oldest),
  redis.call('HLEN', KEYS[3]), tonumber(counts[2] or '0'), tonumber(counts[3] or '0')}

-- Count the tasks.
-- KEYS: 1 tasks, 2 tasks due, 3 dead letters, 4 counts
-- ARGV: 1 clock, 2 and following: the kinds
-- Returns: {open, their bytes, ms since the first was due, dead, their bytes, how many were dropped}
-- One step: all are of one moment.
local oldest = moment
for i = 2, #ARGV do
  local first = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. ARGV[i] .. '\0', '(' .. ARGV[i] .. '\1',
    'LIMIT', 0, 1)[1]
  if first then oldest = math.min(oldest, tonumber(string.sub(first, #ARGV[i] + 2, #ARGV[i] + 15))) end
end
local counts = redis.call('HMGET', KEYS[4], 'outbox_bytes', 'dead_bytes', 'outbox_dropped')
return {redis.call('HLEN', KEYS[1]), tonumber(counts[1] or '0'), text(moment - oldest),
  redis.call('HLEN', KEYS[3]), tonumber(counts[2] or '0'), tonumber(counts[3] or '0')}

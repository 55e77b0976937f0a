-- Drop dead letters that are too old.
-- KEYS: 1 dead letters, 2 dead letters by age, 3 counts
-- ARGV: 1 clock, 2 ms for which they are kept, 3 how many at most
-- Returns: how many were dropped
-- One step: the counted bytes must be those of the letters that are left.
local old = redis.call('ZRANGEBYLEX', KEYS[2], '-',
  '(' .. string.format('%014.0f', math.max(moment - ARGV[2], 0)), 'LIMIT', 0, ARGV[3])
for _, place in ipairs(old) do
  local id = string.sub(place, 15)
  local task = cjson.decode(redis.call('HGET', KEYS[1], id) or '{}')
  redis.call('ZREM', KEYS[2], place)
  redis.call('HDEL', KEYS[1], id)
  redis.call('HINCRBY', KEYS[3], 'dead_bytes', -(task.size or 0))
end
return #old

-- Reopen a dead letter: due now, with no attempt counted.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 4 dead letters, 5 dead letters by age, 6 counts
-- ARGV: 1 clock, 2 id, 3 bytes of all open tasks at most
-- Returns: 'open'; 'unknown' if there is no such letter; 'full' if it has no room and stays
-- One step: the letter must be neither lost nor in both places.
local id = ARGV[2]
local task = cjson.decode(redis.call('HGET', KEYS[4], id) or '{}')
if not task.size then return 'unknown' end
local bytes = tonumber(redis.call('HGET', KEYS[6], 'outbox_bytes') or '0')
if bytes + task.size > tonumber(ARGV[3]) then return 'full' end
local function place(at) return string.format('%014.0f', at) .. id end
local died_at = task.due_at
if not redis.call('HGET', KEYS[1], id) then
  task.due_at, task.attempts, task.version, task.why = moment, 0, task.version + 1, ''
  redis.call('HSET', KEYS[1], id, cjson.encode(task))
  redis.call('ZADD', KEYS[2], 0, task.kind .. '\0' .. place(moment))
  redis.call('ZADD', KEYS[3], 0, task.stream .. '\0' .. id)
  redis.call('HINCRBY', KEYS[6], 'outbox_bytes', task.size)
end
redis.call('ZREM', KEYS[5], place(died_at))
redis.call('HDEL', KEYS[4], id)
redis.call('HINCRBY', KEYS[6], 'dead_bytes', -task.size)
return 'open'

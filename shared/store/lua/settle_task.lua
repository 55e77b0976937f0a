-- Store what becomes of a task that was taken, the verdict on its file, and what follows from it.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 4 dead letters, 5 dead letters by age, 6 counts,
--       7 uris, 8 verdicts
-- ARGV: 1 clock, 2 id, 3 version that was taken, 4 'done', 'retry', 'continue' or 'dead', 5 ms to the retry,
--       6 why, 7 bytes of all dead letters at most, 8 name of a uri of its stream's own, 9 name of the
--       uri in its domain, 10 verdict, or '', 11 the tasks that follow, as JSON, 12 bytes of all open
--       tasks at most, 13 kind, or '', 14 body, or '', 15 size with that body
-- Returns: 1, or 0 and nothing is changed where it was taken again or is gone
-- One step: a runner whose lease has lapsed must not settle what another one has taken.
local id = ARGV[2]
local task = cjson.decode(redis.call('HGET', KEYS[1], id) or '{}')
if task.version ~= tonumber(ARGV[3]) then return 0 end
local function place(at) return string.format('%014.0f', at) .. id end
-- A dead letter's place is the time of its death and its id.
local function drop_letter(which)
  local gone = cjson.decode(redis.call('HGET', KEYS[4], which) or '{}')
  if not gone.size then return end
  redis.call('ZREM', KEYS[5], string.format('%014.0f', gone.due_at) .. which)
  redis.call('HDEL', KEYS[4], which)
  redis.call('HINCRBY', KEYS[6], 'dead_bytes', -gone.size)
end
redis.call('ZREM', KEYS[2], task.kind .. '\0' .. place(task.due_at))
if ARGV[13] ~= '' then task.kind = ARGV[13] end
if ARGV[14] ~= '' then
  local size = tonumber(ARGV[15])
  redis.call('HINCRBY', KEYS[6], 'outbox_bytes', size - task.size)
  task.body, task.size = ARGV[14], size
end
if ARGV[4] == 'continue' then task.attempts = 0 end
if ARGV[4] == 'retry' or ARGV[4] == 'continue' then
  task.due_at, task.why = moment + ARGV[5], ARGV[6]
  redis.call('HSET', KEYS[1], id, cjson.encode(task))
  redis.call('ZADD', KEYS[2], 0, task.kind .. '\0' .. place(task.due_at))
else
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[3], task.stream .. '\0' .. id)
  redis.call('HINCRBY', KEYS[6], 'outbox_bytes', -task.size)
end
if ARGV[4] == 'dead' then
  drop_letter(id)
  task.due_at, task.why = moment, ARGV[6]
  redis.call('HSET', KEYS[4], id, cjson.encode(task))
  redis.call('ZADD', KEYS[5], 0, place(moment))
  local bytes = redis.call('HINCRBY', KEYS[6], 'dead_bytes', task.size)
  while bytes > tonumber(ARGV[7]) do
    local oldest = redis.call('ZRANGE', KEYS[5], 0, 0)[1]
    drop_letter(string.sub(oldest, #place(0) - #id + 1))
    redis.call('ZREM', KEYS[5], oldest)
    redis.call('HINCRBY', KEYS[6], 'outbox_dropped', 1)
    bytes = tonumber(redis.call('HGET', KEYS[6], 'dead_bytes'))
  end
end
if ARGV[10] ~= '' then
  for _, uri in ipairs({ARGV[8], ARGV[9]}) do
    if redis.call('HGET', KEYS[7], uri) then
      redis.call('HSET', KEYS[8], uri, ARGV[10])
      break
    end
  end
end
if ARGV[11] ~= '[]' then add_tasks(cjson.decode(ARGV[11]), ARGV[12]) end
return 1

-- Store the results of tasks that were taken, the verdicts on their files, and the tasks that follow.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 4 dead letters, 5 dead letters by age, 6 counts,
--       7 uris, 8 verdicts
-- ARGV: 1 clock, 2 the tasks as JSON (encode_settled in shared/store/save_request.py), 3 bytes of all
--       dead letters at most, 4 bytes of all open tasks at most
-- Returns: for each task 1; or 0, with nothing changed, if it was taken again or is gone
-- One step: a runner whose lease has lapsed must not settle a task that another one has taken.
local function place(at, id) return string.format('%014.0f', at) .. id end
-- A dead letter's place is the time of its death and its id.
local function drop_letter(which)
  local gone = cjson.decode(redis.call('HGET', KEYS[4], which) or '{}')
  if not gone.size then return end
  redis.call('ZREM', KEYS[5], place(gone.due_at, which))
  redis.call('HDEL', KEYS[4], which)
  redis.call('HINCRBY', KEYS[6], 'dead_bytes', -gone.size)
end
local function bury(task, id, why)
  drop_letter(id)
  task.due_at, task.why = moment, why
  redis.call('HSET', KEYS[4], id, cjson.encode(task))
  redis.call('ZADD', KEYS[5], 0, place(moment, id))
  local bytes = redis.call('HINCRBY', KEYS[6], 'dead_bytes', task.size)
  while bytes > tonumber(ARGV[3]) do
    local oldest = redis.call('ZRANGE', KEYS[5], 0, 0)[1]
    drop_letter(string.sub(oldest, #place(0, '') + 1))
    redis.call('ZREM', KEYS[5], oldest)
    redis.call('HINCRBY', KEYS[6], 'outbox_dropped', 1)
    bytes = tonumber(redis.call('HGET', KEYS[6], 'dead_bytes'))
  end
end
local function settle(it)
  local id = it.id
  local task = cjson.decode(redis.call('HGET', KEYS[1], id) or '{}')
  if task.version ~= it.version then return 0 end
  redis.call('ZREM', KEYS[2], task.kind .. '\0' .. place(task.due_at, id))
  if it.kind ~= '' then task.kind = it.kind end
  if it.body ~= '' then
    redis.call('HINCRBY', KEYS[6], 'outbox_bytes', it.size - task.size)
    task.body, task.size = it.body, it.size
  end
  if it.next == 'continue' then task.attempts = 0 end
  if it.next == 'retry' or it.next == 'continue' then
    task.due_at, task.why = moment + it.retry_in_ms, it.why
    redis.call('HSET', KEYS[1], id, cjson.encode(task))
    redis.call('ZADD', KEYS[2], 0, task.kind .. '\0' .. place(task.due_at, id))
  else
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[3], task.stream .. '\0' .. id)
    redis.call('HINCRBY', KEYS[6], 'outbox_bytes', -task.size)
  end
  if it.next == 'dead' then bury(task, id, it.why) end
  if it.verdict ~= '' then
    for _, uri in ipairs({it.own_uri, it.uri}) do
      if redis.call('HGET', KEYS[7], uri) then
        redis.call('HSET', KEYS[8], uri, it.verdict)
        break
      end
    end
  end
  add_tasks(it.tasks, ARGV[4])
  return 1
end
local ours = {}
for _, it in ipairs(cjson.decode(ARGV[2])) do ours[#ours + 1] = settle(it) end
return ours

-- Prelude: adds tasks without a save of a record, after clock.lua.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 6 counts
-- Defines: add_tasks(tasks, most): adds the tasks, due now, as long as all open tasks together
--          take at most `most` bytes; returns how many had no room. save_or_claim.lua does the
--          same with keys of its own.
local function add_tasks(tasks, most)
  local dropped = 0
  for _, task in ipairs(tasks) do
    if not redis.call('HGET', KEYS[1], task.id) then
      local bytes = tonumber(redis.call('HGET', KEYS[6], 'outbox_bytes') or '0')
      if bytes + task.row.size > tonumber(most) then
        dropped = dropped + 1
      else
        task.row.made_at, task.row.due_at = moment, moment
        task.row.sequence = redis.call('HINCRBY', KEYS[6], 'task_sequence', 1)
        local place = string.format('%014.0f', moment) .. task.id
        redis.call('HSET', KEYS[1], task.id, cjson.encode(task.row))
        redis.call('ZADD', KEYS[2], 0, task.row.kind .. '\0' .. place)
        redis.call('ZADD', KEYS[3], 0, task.row.stream .. '\0' .. task.id)
        redis.call('HINCRBY', KEYS[6], 'outbox_bytes', task.row.size)
      end
    end
  end
  if dropped > 0 then redis.call('HINCRBY', KEYS[6], 'outbox_dropped', dropped) end
  return dropped
end

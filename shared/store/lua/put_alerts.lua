-- Store the next version of the book of alerts, and the messages that follow from it.
-- KEYS: 1 alerts, 2 tasks, 3 tasks due, 4 tasks of streams, 5 counts
-- ARGV: 1 clock, 2 the version that it replaces, 3 text, 4 tasks as JSON, 5 bytes of all open tasks
--       at most
-- Returns: how many tasks had no room, or nil if that version is no longer the newest
-- One step: what is noted as told must be in the outbox, and only once.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[2]) then return false end
redis.call('HSET', KEYS[1], 'version', text(version + 1), 'text', ARGV[3])
local dropped = 0
for _, task in ipairs(cjson.decode(ARGV[4])) do
  if not redis.call('HGET', KEYS[2], task.id) then
    local bytes = tonumber(redis.call('HGET', KEYS[5], 'outbox_bytes') or '0')
    if bytes + task.row.size > tonumber(ARGV[5]) then
      dropped = dropped + 1
    else
      task.row.made_at, task.row.due_at = moment, moment
      local due_at = string.format('%014.0f', moment)
      redis.call('HSET', KEYS[2], task.id, cjson.encode(task.row))
      redis.call('ZADD', KEYS[3], 0, task.row.kind .. '\0' .. due_at .. task.id)
      redis.call('ZADD', KEYS[4], 0, task.row.stream .. '\0' .. task.id)
      redis.call('HINCRBY', KEYS[5], 'outbox_bytes', task.row.size)
    end
  end
end
if dropped > 0 then redis.call('HINCRBY', KEYS[5], 'outbox_dropped', dropped) end
return dropped

-- Take tasks that are due; nobody else gets them for a while, and no earlier taker can settle them.
-- KEYS: 1 tasks, 2 tasks due, 3 counts
-- ARGV: 1 clock, 2 kind, 3 how many at most, 4 ms of the lease, 5 ms ahead that a task is due at most
-- Returns: {id, row, id, row, ...}
-- One step: two runners that take at the same time must not get the same task.
--
-- A task is a row of JSON in `tasks`. `tasks due` has "kind NUL due id", so that the tasks of a kind
-- are a range, ordered by due time; `tasks of streams` has "name NUL id".
local function place(at) return ARGV[2] .. '\0' .. string.format('%014.0f', at) end
local due = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. ARGV[2] .. '\0', '(' .. place(moment + 1),
  'LIMIT', 0, ARGV[3])
-- A task due further ahead than any can be was stored before the clock was set back: take it, too.
if #due < tonumber(ARGV[3]) then
  local misplaced = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. place(moment + ARGV[5] + 1),
    '(' .. ARGV[2] .. '\1', 'LIMIT', 0, ARGV[3] - #due)
  for _, member in ipairs(misplaced) do due[#due + 1] = member end
end
local taken = {}
for _, member in ipairs(due) do
  local id = string.sub(member, #place(0) + 1)
  local is_row, task = pcall(cjson.decode, redis.call('HGET', KEYS[1], id) or '')
  redis.call('ZREM', KEYS[2], member)
  if is_row and type(task) == 'table' and task.version then
    task.version, task.attempts = task.version + 1, task.attempts + 1
    task.due_at = moment + ARGV[4]
    local row = cjson.encode(task)
    redis.call('HSET', KEYS[1], id, row)
    redis.call('ZADD', KEYS[2], 0, place(task.due_at) .. id)
    taken[#taken + 1], taken[#taken + 2] = id, row
  else -- no release writes such a row: count it as dropped, and go on with the others
    redis.call('HINCRBY', KEYS[3], 'outbox_dropped', 1)
    redis.call('HDEL', KEYS[1], id)
  end
end
return taken

-- Store the next version of the alert book, and the tasks that follow from it.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 4 dead letters, 5 dead letters by age, 6 counts,
--       7 alerts
-- ARGV: 1 clock, 2 the version that it replaces, 3 text, 4 tasks as JSON, 5 bytes of all open tasks
--       at most
-- Returns: how many tasks had no room, or nil if that version is no longer the newest
-- One step: each message that the book counts as sent must be in the outbox, and only once.
local version = tonumber(redis.call('HGET', KEYS[7], 'version') or '0')
if version ~= tonumber(ARGV[2]) then return false end
redis.call('HSET', KEYS[7], 'version', text(version + 1), 'text', ARGV[3])
return add_tasks(cjson.decode(ARGV[4]), ARGV[5])

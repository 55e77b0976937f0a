-- Add tasks without a save of a record.
-- KEYS: 1 tasks, 2 tasks due, 3 tasks of streams, 4 dead letters, 5 dead letters by age, 6 counts
-- ARGV: 1 clock, 2 the tasks as JSON (shared/store/save_request.py), 3 bytes of all open tasks at most
-- Returns: how many had no room
-- One step: each task must be in all of its indexes, and its bytes must be counted.
return add_tasks(cjson.decode(ARGV[2]), ARGV[3])

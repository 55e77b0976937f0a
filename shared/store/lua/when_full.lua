-- Prelude: lets a script go on although the engine is out of memory, after clock.lua.
-- KEYS: 1 any key of the script; it is not changed
-- Defines: nothing
-- An engine out of memory refuses a command that needs memory, unless the script has written before
-- (docs/platform/other.md §3). PERSIST counts as a write, and needs no memory. The prelude is for
-- scripts whose data does not grow: without them no stop would be sent while the engine is full.
redis.call('PERSIST', KEYS[1])

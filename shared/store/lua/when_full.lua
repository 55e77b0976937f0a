-- Prelude: lets a script go on although the engine is out of memory, after clock.lua.
-- KEYS: 1 any key of the script; it is left as it is
-- Defines: nothing
-- An engine out of memory refuses the first command of a script that needs some, but none once the
-- script has written anything (docs/platform/other.md §3). PERSIST writes, and needs no memory. It is for
-- scripts whose data does not grow: without them no stop would be sent while the engine is full.
redis.call('PERSIST', KEYS[1])

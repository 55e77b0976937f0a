-- Measure how long ago something was noted by touch.lua.
-- KEYS: 1 timestamps
-- ARGV: 1 clock, 2 name
-- Returns: ms, or nil if it never was
-- One step: both times are the engine's; an instance's own clock may differ from it.
local at = redis.call('HGET', KEYS[1], ARGV[2])
return at and text(moment - at)

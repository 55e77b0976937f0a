-- Measure how long ago something was noted by touch.lua.
-- KEYS: 1 timestamps
-- ARGV: 1 clock, 2 name
-- Returns: ms, or nil if it never was
-- One step: both times are the engine's; an instance's own clock may differ from it.
-- A time that lies ahead, since the clock was set back, becomes now: from now on it ages.
local at = redis.call('HGET', KEYS[1], ARGV[2])
if at and tonumber(at) > moment then
  redis.call('HSET', KEYS[1], ARGV[2], text(moment))
  at = moment
end
return at and text(moment - at)

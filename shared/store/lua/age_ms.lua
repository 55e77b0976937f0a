-- Measure how long ago touch.lua set a timestamp.
-- KEYS: 1 timestamps
-- ARGV: 1 clock, 2 name
-- Returns: ms, or nil if it was never set
-- One step: both times are the engine's; an instance's own clock may differ from it.
-- A time that lies ahead was set before the clock was set back. It becomes now, and ages from now on.
local at = redis.call('HGET', KEYS[1], ARGV[2])
if at and tonumber(at) > moment then
  redis.call('HSET', KEYS[1], ARGV[2], text(moment))
  at = moment
end
return at and text(moment - at)

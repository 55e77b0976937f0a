-- Measure how long ago touch.lua set each timestamp.
-- KEYS: 1 timestamps
-- ARGV: 1 clock
-- Returns: {name, ms, name, ms, ...}
-- One step: all times are the engine's; an instance's own clock may differ from it.
local found = redis.call('HGETALL', KEYS[1])
for i = 2, #found, 2 do found[i] = text(math.max(moment - found[i], 0)) end
return found

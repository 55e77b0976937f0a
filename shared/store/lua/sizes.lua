-- Read the sizes that note_size.lua has remembered.
-- KEYS: 1 sizes
-- ARGV: 1 clock
-- Returns: {now, "time bytes", ...}
-- One step: all times are the engine's.
return {moment, unpack(redis.call('HVALS', KEYS[1]))}

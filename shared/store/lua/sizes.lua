-- Read the sizes that note_size.lua has stored.
-- KEYS: 1 sizes
-- ARGV: 1 clock
-- Returns: {now, day, "time bytes", day, "time bytes", ...}
-- One step: all times are the engine's.
return {moment, unpack(redis.call('HGETALL', KEYS[1]))}

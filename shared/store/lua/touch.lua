-- Set a timestamp to now.
-- KEYS: 1 timestamps
-- ARGV: 1 clock, 2 name
-- Returns: 1 if the timestamp is new, else 0
-- One step: the time is the engine's, in one round trip.
return redis.call('HSET', KEYS[1], ARGV[2], text(moment))

-- Count the streams that have been wanted, live and not recorded for so long.
-- KEYS: 1 wrong
-- ARGV: 1 clock, 2 for how many ms at least
-- Returns: {how many, ms since the first of them is}
-- One step: both are of one moment of the engine's clock.
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local count = redis.call('ZCOUNT', KEYS[1], '-inf', text(moment - ARGV[2]))
return {count, count > 0 and text(moment - first) or '0'}

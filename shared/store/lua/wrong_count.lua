-- Count the streams that have been wanted, live and not recorded for at least some time.
-- KEYS: 1 wrong
-- ARGV: 1 clock, 2 that time, in ms
-- Returns: {how many, for how many ms the longest of them has been}
-- One step: both numbers are of one moment of the engine's clock.
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local count = redis.call('ZCOUNT', KEYS[1], '-inf', text(moment - ARGV[2]))
return {count, count > 0 and text(moment - first) or '0'}

-- Give no slot of a rate limit for a while, because Live throttled a command.
-- KEYS: 1 rate limit
-- ARGV: 1 clock, 2 furthest slot, 3 ms from now during which no slot begins
-- Returns: 1
-- One step: a slot taken between the read and the write would be given a second time.
-- The next free slot moves to the later of two times: a delay never brings it forward.
free = math.max(free, now + ARGV[3])
redis.call('HSET', KEYS[1], 'free', string.format('%.3f', free))
return true

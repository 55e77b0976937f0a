-- Give no slot of a rate limit for a while, because Live throttled a command.
-- KEYS: 1 rate limit
-- ARGV: 1 clock, 2 furthest slot, 3 ms from now in which no slot begins
-- Returns: 1
-- One step: a slot taken between the read and the write would be given a second time.
-- The later of the two times holds: a delay never brings forward slots that are taken already.
free = math.max(free, now + ARGV[3])
redis.call('HSET', KEYS[1], 'free', string.format('%.3f', free))
return true

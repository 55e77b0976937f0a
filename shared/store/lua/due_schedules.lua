-- Read the schedules that are due, the longest due first.
-- KEYS: 1 schedules, by their id, 2 their ids by when they are due
-- ARGV: 1 clock, 2 how many at most
-- Returns: id, text, id, text and so on
-- One step: the schedules and the time are of one moment.
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', moment, 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', KEYS[1], id) or ''
end
return found

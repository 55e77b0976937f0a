-- Store a schedule, or delete it.
-- KEYS: 1 schedules, by their id, 2 their ids by when they are due,
--       3 their temporary rules, by their id
-- ARGV: 1 clock, 2 id, 3 text; '' deletes it, 4 when it is due; '' is never,
--       5 the text that it replaces; '' is none, 6 its temporary rules; '' is none
-- Returns: 1, or 0 if another text is there
-- One step: if two writers replace the same text, only one may succeed.
if (redis.call('HGET', KEYS[1], ARGV[2]) or '') ~= ARGV[5] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('HDEL', KEYS[3], ARGV[2])
  return 1
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if ARGV[6] == '' then
  redis.call('HDEL', KEYS[3], ARGV[2])
else
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[6])
end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[2])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
end
return 1

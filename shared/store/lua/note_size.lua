-- Store today's size, unless it is stored already.
-- KEYS: 1 sizes
-- ARGV: 1 clock, 2 bytes that are used, 3 ms of a day, 4 ms for which sizes are kept
-- Returns: 1 if the size was stored, else 0
-- One step: the day is the engine's, in one round trip.
local day = math.floor(moment / ARGV[3])
local oldest = math.floor((moment - ARGV[4]) / ARGV[3])
local sizes = redis.call('HGETALL', KEYS[1])
for i = 1, #sizes, 2 do
  if tonumber(sizes[i]) <= oldest then redis.call('HDEL', KEYS[1], sizes[i]) end
end
if redis.call('HGET', KEYS[1], text(day)) then return 0 end
return redis.call('HSET', KEYS[1], text(day), text(moment) .. ' ' .. ARGV[2])

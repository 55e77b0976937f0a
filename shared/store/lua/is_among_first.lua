-- Note that a signature has named a stream, and check whether the stream is one of the first.
-- KEYS: 1 streams that signatures have named, by the second of the signature
-- ARGV: 1 clock, 2 second, 3 name of the stream, 4 how many count as the first, 5 second before which
--       streams are forgotten
-- Returns: 1 if it is, else 0
-- One step: if two callbacks come at the same time, the second must count the first one's stream.
local member = ARGV[2] .. ' ' .. ARGV[3]
if redis.call('ZSCORE', KEYS[1], member) then return 1 end
local is_first = redis.call('ZCOUNT', KEYS[1], ARGV[2], ARGV[2]) < tonumber(ARGV[4])
if is_first then redis.call('ZADD', KEYS[1], ARGV[2], member) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[5])
return is_first and 1 or 0

-- Note how far the due entries were repaired since the clock was set back.
-- KEYS: 1 store
-- ARGV: 1 clock, 2 how far before, 3 how far now; if both are the same, all are repaired
-- Returns: 1 if noted, else 0
-- One step: if the clock is set back again in between, the repair must begin from the start.
if redis.call('HGET', KEYS[1], 'misplaced_after') ~= ARGV[2] then return 0 end
if ARGV[2] == ARGV[3] then
  redis.call('HDEL', KEYS[1], 'misplaced_after')
else
  redis.call('HSET', KEYS[1], 'misplaced_after', ARGV[3])
end
return 1

-- Note how far the due entries have been put in order since the clock was set back.
-- KEYS: 1 store
-- ARGV: 1 clock, 2 how far they were, 3 how far they are; the same: all of them are
-- Returns: 1 if noted, else 0
-- One step: where the clock was set back once more meanwhile, it begins from the beginning.
if redis.call('HGET', KEYS[1], 'misplaced_after') ~= ARGV[2] then return 0 end
if ARGV[2] == ARGV[3] then
  redis.call('HDEL', KEYS[1], 'misplaced_after')
else
  redis.call('HSET', KEYS[1], 'misplaced_after', ARGV[3])
end
return 1

-- Write the stage's id into the store. From then on, the store no longer counts as emptied.
-- KEYS: 1 store
-- ARGV: 1 clock, unused, 2 id, 3 the id that it may replace, or ''
-- Returns: 1, or 0 if another id is there
-- One step: if two stages accept one store, only one may get it.
local found = redis.call('HGET', KEYS[1], 'store_id')
if found and found ~= ARGV[2] and found ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'store_id', ARGV[2])
return 1

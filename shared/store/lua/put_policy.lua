-- Store the next version of the policy.
-- KEYS: 1 policies, by their version
-- ARGV: 1 clock, 2 text, 3 the version that it replaces; 0 is none
-- Returns: the time in ms, or nil if that version is no longer the newest
-- One step: if two operators replace the same version, only one may succeed.
local newest = redis.call('HLEN', KEYS[1])
if newest ~= tonumber(ARGV[3]) then return false end
redis.call('HSET', KEYS[1], text(newest + 1), text(moment) .. ' ' .. ARGV[2])
return moment

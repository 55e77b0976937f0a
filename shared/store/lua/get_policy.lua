-- Read the newest version of the policy.
-- KEYS: 1 policies, by their version
-- ARGV: 1 clock, unused
-- Returns: {version, "time text"}, or nil if there is none
-- One step: a version stored after the count would not be the newest any more.
local newest = redis.call('HLEN', KEYS[1])
if newest == 0 then return false end
return {newest, redis.call('HGET', KEYS[1], string.format('%.0f', newest))}

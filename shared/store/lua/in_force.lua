-- Read what every instance applies: the newest version of the policy, and the temporary rules.
-- KEYS: 1 policies, by their version, 2 temporary rules, by the id of their schedule
-- ARGV: 1 clock, unused
-- Returns: version, "time text", id, rules, id, rules and so on; the version is 0 if there is none
-- One step: if another version were stored in between, the one read would not be the newest.
local newest = redis.call('HLEN', KEYS[1])
local found = {newest, redis.call('HGET', KEYS[1], string.format('%.0f', newest)) or ''}
for _, part in ipairs(redis.call('HGETALL', KEYS[2])) do found[#found + 1] = part end
return found

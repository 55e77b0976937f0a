-- Load a record together with the store's time.
-- KEYS: 1 record, 2 store
-- ARGV: 1 clock, 2 to 5 those of watch_clock.lua
-- Returns: {version, document, slot, lease end, now, known}; the first four are nil for an unknown
--          stream, and slot and lease end are '' if no command is in flight.
-- One step: a decision about the record needs the time at which it was read, in one round trip.
local stored = redis.call('HMGET', KEYS[1], 'version', 'document', 'sent', 'lease')
return {stored[1], stored[2], stored[3], stored[4], moment, known}

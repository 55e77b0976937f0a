-- Take the next slot of a rate limit if it comes soon enough.
-- KEYS: 1 rate limit
-- ARGV: 1 clock, 2 furthest slot, 3 ms between two slots, 4 ms to wait at most
-- Returns: ms until the slot; nil, and no slot is taken, if it would come later.
-- One step: two instances that read the same free slot would both take it.
if slot - now > tonumber(ARGV[4]) then return false end
take(tonumber(ARGV[3]))
return string.format('%.3f', slot - now)

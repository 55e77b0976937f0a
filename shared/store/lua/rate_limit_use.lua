-- Measure how much of a rate limit is used.
-- KEYS: 1 rate limit
-- ARGV: 1 clock, 2 furthest slot
-- Returns: {slots a second over the last minute, ms until the next free slot}
-- One step: the counts, the next slot and the time must be of one moment.
-- Of the minute before, only the part within the last 60 s counts:
--
--   |------minute before------|------this minute--now
--               |<----------- 60 s -------------->|
local weighed = used + before * (1 - (now % MINUTE_MS) / MINUTE_MS)
return {string.format('%.3f', weighed * 1000 / MINUTE_MS), string.format('%.3f', slot - now)}

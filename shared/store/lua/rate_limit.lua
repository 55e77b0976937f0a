-- Prelude: a rate limiter shared by all instances (GCRA with a burst of one), after clock.lua.
-- KEYS: 1 rate limit: always the first key of a script with this prelude. It stands here as a
--       literal because Tair refuses a key whose index is computed.
-- ARGV: 2 ms that the next free slot may lie ahead at most (shared/store/contract.py)
-- Defines: slot (ms), the next free slot; take(interval), which takes it; limit, used, before,
--          minute, MINUTE_MS for scripts that read the limiter.
--
-- `free` is when the next slot begins. If `free` lies in the past, the slot is now: unused slots are
-- not saved up.
--
--   idle:  ----free----now = slot----slot + interval = new free----> time
--   busy:  ----now-----free = slot---slot + interval = new free----> time
--
-- A `free` beyond the furthest slot was written before the clock was set back. It is moved to the
-- furthest slot: moved to now, it would give slots a second time.
local MINUTE_MS = 60000
local limit = redis.call('HMGET', KEYS[1], 'free', 'minute', 'used', 'before')
local free = tonumber(limit[1] or '0')
if free > now + ARGV[2] then
  free = now + ARGV[2]
  redis.call('PERSIST', KEYS[1]) -- from here on a full engine refuses nothing (when_full.lua)
  redis.call('HSET', KEYS[1], 'free', string.format('%.3f', free))
end
local slot = math.max(now, free)
-- Slots taken in this minute and in the minute before; after a longer pause, or if the clock was set
-- back, both counts begin at 0.
local minute = math.floor(now / MINUTE_MS)
local passed = minute - tonumber(limit[2] or '0')
local used, before = tonumber(limit[3] or '0'), tonumber(limit[4] or '0')
if passed == 1 then used, before = 0, used elseif passed ~= 0 then used, before = 0, 0 end
local function take(interval)
  redis.call('HSET', KEYS[1], 'free', string.format('%.3f', slot + interval),
    'minute', text(minute), 'used', text(used + 1), 'before', text(before))
end

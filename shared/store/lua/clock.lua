-- Prelude: the store's clock, for every script that needs the time.
-- ARGV: 1 "+" and how many ms the stage's clock is ahead of the engine's own, or "=" and the time
--       itself in ms
-- Defines: now (ms with a fraction), moment (whole ms), text(number): a number without exponent.
-- The engine's own clock is read inside the step, so that all instances use one clock.
local now = tonumber(string.sub(ARGV[1], 2))
if string.sub(ARGV[1], 1, 1) == '+' then
  local time = redis.call('TIME')
  now = now + time[1] * 1000 + time[2] / 1000
end
local moment = math.floor(now)
-- tostring() writes 14 digits at most, which a time with a fraction exceeds.
local function text(number) return string.format('%.0f', number) end

-- Prelude: notices that the store's clock was set back or jumped, after clock.lua.
-- KEYS: 2 store: always the second key of a script with this prelude. It stands here as a literal
--       because Tair refuses a key whose index is computed.
-- ARGV: 2 ms without a touch after which the clock may have jumped, 3 ms between two notes of a
--       touch, 4 ms that it may go back (shared/store/store_state.py)
-- Defines: steady_since (ms), since when the clock has been steady.
--
-- Whoever reads a record needs no write to succeed, on an engine that is full for instance: pcall.
local state = redis.call('HMGET', KEYS[2], 'seen', 'steady_since')
local passed = state[1] and moment - state[1] or 0
local steady_since = tonumber(state[2] or '0')
if passed < -ARGV[4] then
  steady_since = moment
  redis.pcall('HSET', KEYS[2], 'seen', text(moment), 'steady_since', text(moment),
    'misplaced_after', '')
elseif passed > tonumber(ARGV[2]) then
  steady_since = moment
  redis.pcall('HSET', KEYS[2], 'seen', text(moment), 'steady_since', text(moment))
elseif passed >= tonumber(ARGV[3]) then
  redis.pcall('HSET', KEYS[2], 'seen', text(moment))
end

-- Prelude: notices that the store's clock was set back or jumped, and that the store was emptied;
-- after clock.lua.
-- KEYS: 2 store: always the second key of a script with this prelude. It stands here as a literal
--       because Tair refuses a key whose index is computed.
-- ARGV: 2 ms without a touch after which the clock may have jumped, 3 ms between two notes of a
--       touch, 4 ms that the clock may go back, 5 the id that the store should have, or ''
--       (shared/store/store_state.py)
-- Defines: known = {id, steady since, emptied at, gap from}, each '' if there is none;
--          state[1], the time of the last noted touch, or false.
--
-- A record can be read even if a write fails, as on a full engine: hence pcall.
local state = redis.call('HMGET', KEYS[2], 'seen', 'steady_since', 'store_id', 'emptied_at',
  'gap_from')
local passed = state[1] and moment - state[1] or 0
local known = {state[3] or '', state[2] or '', state[4] or '', state[5] or ''}
if passed < -ARGV[4] then
  known[2], known[4] = text(moment), text(moment)
  redis.pcall('HSET', KEYS[2], 'seen', text(moment), 'steady_since', text(moment),
    'gap_from', text(moment), 'misplaced_after', '')
elseif passed > tonumber(ARGV[2]) then
  known[2], known[4] = text(moment), state[1]
  redis.pcall('HSET', KEYS[2], 'seen', text(moment), 'steady_since', text(moment),
    'gap_from', state[1])
elseif passed >= tonumber(ARGV[3]) then
  redis.pcall('HSET', KEYS[2], 'seen', text(moment))
end
-- The id is never written here: it would hide that everything else is gone.
if ARGV[5] ~= '' and known[1] == '' and known[3] == '' then
  known[3] = text(moment)
  redis.pcall('HSET', KEYS[2], 'emptied_at', known[3])
end

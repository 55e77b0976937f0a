"""What RedisStore has its engine do, each one atomic step.

A managed cluster's proxy refuses a script that names a key otherwise than as KEYS[n] (Tair,
`script_check_enable`), so they do, and whatever belongs to several streams lies under one key. All
keys of a stage share one hash tag. A script checks before it writes, and its first write is one
that an engine out of memory refuses: nothing is ever half done.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct
from msgspec.structs import force_setattr

from shared.store.contract import RECHECK_MS


class Script(Struct, frozen=True):
    text: str
    digest: str = ""

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the protocol's
        force_setattr(self, "digest", digest)


# ARGV[1] is "+" and how many ms the stage's clock is ahead of the engine's own, or "=" and the
# time itself. `now` has a fraction, `moment` is in whole ms.
_CLOCK = """
local now = tonumber(string.sub(ARGV[1], 2))
if string.sub(ARGV[1], 1, 1) == '+' then
  local time = redis.call('TIME')
  now = now + time[1] * 1000 + time[2] / 1000
end
local moment = math.floor(now)
local function text(number) return string.format('%.0f', number) end
"""

# GCRA with a burst of one. `take` says when the next free slot is; `LIMIT` counts it as taken.
_LIMIT = """
local MINUTE = 60000
local limit = redis.call('HMGET', LIMIT, 'free', 'minute', 'used', 'before')
local slot = math.max(now, tonumber(limit[1] or '0'))
local minute = math.floor(now / MINUTE)
local passed = minute - tonumber(limit[2] or '0')
local used, before = tonumber(limit[3] or '0'), tonumber(limit[4] or '0')
if passed == 1 then used, before = 0, used elseif passed ~= 0 then used, before = 0, 0 end
local function take(interval)
  redis.call('HSET', LIMIT, 'free', string.format('%.3f', slot + interval),
    'minute', text(minute), 'used', text(used + 1), 'before', text(before))
end
"""


def _with_limit(number: int) -> str:
    return _CLOCK + _LIMIT.replace("LIMIT", f"KEYS[{number}]")


LOAD = Script(
    _CLOCK
    + """
local kept = redis.call('HMGET', KEYS[1], 'version', 'document', 'sent', 'lease')
return {kept[1], kept[2], kept[3], kept[4], moment}
"""
)

# KEYS: 1 record, 2 history, 3 files, 4 later, 5 line, 6 lined, 7 limit, 8 counts, 9 names,
#       10 phases, 11 waits, 12 uris, 13 watched
# later holds what is due in the future by its time, line what is due now in its order, lined the
# same by how long it has been due.
SAVE = Script(
    _with_limit(7)
    + """
local a = cjson.decode(ARGV[2])
local old = redis.call('HMGET', KEYS[1], 'version', 'token', 'phase', 'order', 'rule', 'waits',
  'slot', 'sent', 'lease', 'over_quota')
local function reply(kind, version, at, sent, lease)
  return {kind, version, string.format('%.3f', math.max(at - now, 0)), sent, lease}
end
if old[2] == a.token then  -- said again because the answer was lost on its way
  local version = tonumber(old[1])
  if old[7] ~= '' then return reply('claimed', version, tonumber(old[7]), old[8], old[9]) end
  return reply(old[10], version, now, '', '')
end
if tonumber(old[1] or '0') ~= a.version then return {'conflict'} end

local chosen, kind, waits, ahead_by = a.if_no_slot, 'stored', '', 0
if a.if_slot then
  if a.if_no_quota and (old[5] or '') == '' then
    for _, scope in ipairs(a.scopes) do
      local ahead = redis.call('ZLEXCOUNT', KEYS[11],
        '[' .. scope[1] .. '\\0', '(' .. scope[1] .. '\\0' .. a.queue_position)
      local taken = tonumber(redis.call('HGET', KEYS[8], scope[1]) or '0')
      if waits == '' and taken + ahead >= scope[2] then waits = scope[1] end
    end
  end
  if waits ~= '' then
    chosen, kind = a.if_no_quota, 'over_quota'
  elseif slot - now > a.slot_wait_ms then
    ahead_by = slot - now
  else
    chosen, kind = a.if_slot, 'claimed'
  end
end

local sent, lease, kept_slot = '', '', ''
local due = chosen.due
if kind == 'claimed' then
  local at = math.floor(slot + 0.5)
  sent, lease, kept_slot = text(at), text(at + a.lease_ms), string.format('%.3f', slot)
  due = math.min(due or at + a.lease_ms, at + a.lease_ms)
elseif kind == 'over_quota' then
  due = math.min(due or moment + RECHECK, moment + RECHECK)
end
local order = chosen.command_priority .. a.queue_position
local rule = chosen.takes and '=' .. a.rule or ''

redis.call('HSET', KEYS[1], 'version', text(a.version + 1), 'token', a.token,
  'document', chosen.document, 'phase', chosen.phase, 'order', order, 'rule', rule,
  'waits', waits, 'slot', kept_slot, 'sent', sent, 'lease', lease, 'over_quota', kind)
if kind == 'claimed' then take(a.interval) end
if a.version == 0 then redis.call('ZADD', KEYS[9], 0, a.member) end
if old[3] ~= chosen.phase then
  if old[3] then
    redis.call('ZREM', KEYS[10], old[3] .. '\\0' .. a.member)
    redis.call('HINCRBY', KEYS[8], 'phase:' .. old[3], -1)
  end
  redis.call('ZADD', KEYS[10], 0, chosen.phase .. '\\0' .. a.member)
  redis.call('HINCRBY', KEYS[8], 'phase:' .. chosen.phase, 1)
end
if chosen.watched then
  redis.call('HSET', KEYS[13], a.member, chosen.watched)
else
  redis.call('HDEL', KEYS[13], a.member)
end

if old[4] then
  redis.call('ZREM', KEYS[4], old[4])
  redis.call('ZREM', KEYS[5], old[4])
  redis.call('ZREM', KEYS[6], old[4])
end
if due and due <= moment then
  redis.call('ZADD', KEYS[5], 0, order)
  redis.call('ZADD', KEYS[6], text(due), order)
elseif due then
  redis.call('ZADD', KEYS[4], text(due), order)
end

if (old[6] or '') ~= '' then
  redis.call('ZREM', KEYS[11], old[6] .. '\\0' .. string.sub(old[4], 2))
end
if waits ~= '' then redis.call('ZADD', KEYS[11], 0, waits .. '\\0' .. a.queue_position) end
local given_up = old[5] or ''
if given_up ~= rule then
  for name, change in pairs({[given_up] = -1, [rule] = 1}) do
    if name ~= '' then
      redis.call('HINCRBY', KEYS[8], 'rule:' .. string.sub(name, 2), change)
      redis.call('HINCRBY', KEYS[8], 'account', change)
    end
  end
  for _, scope in ipairs(a.scopes) do
    local free = scope[2] - tonumber(redis.call('HGET', KEYS[8], scope[1]) or '0')
    local first = free > 0 and redis.call('ZRANGEBYLEX', KEYS[11],
      '[' .. scope[1] .. '\\0', '(' .. scope[1] .. '\\1', 'LIMIT', 0, text(free)) or {}
    for _, waiting in ipairs(first) do  -- they have free places now; each still takes its own
      local woken = 'START' .. string.sub(waiting, #scope[1] + 2)
      redis.call('ZADD', KEYS[5], 0, woken)
      redis.call('ZADD', KEYS[6], text(moment), woken)
      redis.call('ZREM', KEYS[4], woken)
    end
  end
end

local entries = a.entries
if waits ~= '' then entries[#entries + 1] = a.no_quota end
for _, entry in ipairs(entries) do
  local last = redis.call('LINDEX', KEYS[2], 0) or ''
  local at, count, last_entry = string.match(last, '^(%d+) %d+ (%d+) (.*)$')
  if last_entry == entry then
    local times = at .. ' ' .. text(moment) .. ' ' .. text(count + 1)
    redis.call('LSET', KEYS[2], 0, times .. ' ' .. entry)
  else
    redis.call('LPUSH', KEYS[2], text(moment) .. ' ' .. text(moment) .. ' 1 ' .. entry)
    redis.call('LTRIM', KEYS[2], 0, LINES - 1)
  end
end
for _, file in ipairs(a.files) do
  if redis.call('HSETNX', KEYS[12], file.uri, file.lasted) == 1 then
    redis.call('ZADD', KEYS[3], text(file.stop), file.member)
  end
end
if kind == 'claimed' then return reply(kind, a.version + 1, slot, sent, lease) end
return reply(kind, a.version + 1, now + ahead_by, '', '')
""".replace("RECHECK", str(RECHECK_MS))
    .replace("LINES", "1000")
    .replace("START", "2")
)

# KEYS: 1 later, 2 line, 3 lined. What has become due joins the line, some at a time.
TAKE_DUE = Script(
    _CLOCK
    + """
local ripe = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(moment), 'WITHSCORES',
  'LIMIT', 0, 2000)
for i = 1, #ripe, 2 do
  redis.call('ZADD', KEYS[3], ripe[i + 1], ripe[i])
  redis.call('ZADD', KEYS[2], 0, ripe[i])
  redis.call('ZREM', KEYS[1], ripe[i])
end
local first = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)
for _, order in ipairs(first) do
  redis.call('ZADD', KEYS[1], text(moment + ARGV[3]), order)
  redis.call('ZREM', KEYS[2], order)
  redis.call('ZREM', KEYS[3], order)
end
return first
"""
)

QUEUE = Script(
    _CLOCK
    + """
local ripe = redis.call('ZCOUNT', KEYS[1], '-inf', text(moment))
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local oldest = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local first = math.min(tonumber(next or 'inf'), tonumber(oldest or 'inf'))
if first == math.huge then return {0, 0, false} end
return {ripe + redis.call('ZCARD', KEYS[3]), text(math.max(moment - first, 0)),
  text(math.max(first - moment, 0))}
"""
)

# KEYS: 1 limit. ARGV: 2 interval, 3 wait
TAKE_SLOT = Script(
    _with_limit(1)
    + """
if slot - now > tonumber(ARGV[3]) then return false end
take(tonumber(ARGV[2]))
return string.format('%.3f', slot - now)
"""
)

SLOW = Script(
    _with_limit(1)
    + """
local free = math.max(tonumber(limit[1] or '0'), now + ARGV[2])
redis.call('HSET', KEYS[1], 'free', string.format('%.3f', free))
return true
"""
)

USE = Script(
    _with_limit(1)
    + """
local weighed = used + before * (1 - (now % MINUTE) / MINUTE)
return {string.format('%.3f', weighed * 1000 / MINUTE), string.format('%.3f', slot - now)}
"""
)

NOW = Script(_CLOCK + "return moment\n")

# KEYS: 1 workers of one name. ARGV: 2 who, 3 ms
REGISTER = Script(
    _CLOCK
    + """
redis.call('ZADD', KEYS[1], text(moment + ARGV[3]), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(moment))
return redis.call('ZCARD', KEYS[1]) - 1
"""
)

# KEYS: 1 limit, 2 workers of one name, 3 timestamps. ARGV: 2 name, 3 most, 4 ms
MAY_WAKE_ONE = Script(
    _with_limit(1)
    + """
local alive = redis.call('ZCOUNT', KEYS[2], '(' .. text(moment), '+inf')
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '-inf')
local enough = alive >= tonumber(ARGV[3]) or (alive > 0 and slot > now)
if enough or moment - last < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[3], ARGV[2], text(moment))
return 1
"""
)

# KEYS: 1 timestamps. ARGV: 2 name
TOUCH = Script(_CLOCK + "return redis.call('HSET', KEYS[1], ARGV[2], text(moment))\n")
AGE = Script(
    _CLOCK
    + """
local at = redis.call('HGET', KEYS[1], ARGV[2])
return at and text(moment - at)
"""
)

# KEYS: 1 policies. ARGV: 2 text, 3 the version that it replaces
PUT_POLICY = Script(
    _CLOCK
    + """
local newest = redis.call('HLEN', KEYS[1])
if newest ~= tonumber(ARGV[3]) then return false end
redis.call('HSET', KEYS[1], text(newest + 1), text(moment) .. ' ' .. ARGV[2])
return moment
"""
)
GET_POLICY = Script(
    """
local newest = redis.call('HLEN', KEYS[1])
if newest == 0 then return false end
return {newest, redis.call('HGET', KEYS[1], string.format('%.0f', newest))}
"""
)
ALL = (
    LOAD, SAVE, TAKE_DUE, QUEUE, TAKE_SLOT, SLOW, USE, NOW, REGISTER, MAY_WAKE_ONE, TOUCH, AGE,
    PUT_POLICY, GET_POLICY,
)  # fmt: skip

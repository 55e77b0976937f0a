-- Replace one version of a record and, if the save asks for it, claim a slot for its command.
-- KEYS: 1 rate limit, 2 record, 3 history, 4 files, 5 later, 6 line, 7 lined, 8 counts, 9 names,
--       10 phases, 11 waits, 12 uris, 13 watched, 14 quarantine, 15 ledger, 16 accounts,
--       17 account ages, 18 wrong, 19 tasks, 20 tasks due, 21 tasks of streams, 22 verdicts,
--       23 counters
-- ARGV: 1 clock, 2 furthest slot, 3 the save as JSON (shared/store/save_request.py)
-- Returns: {'conflict'}, {'kept'}, or {result, version, ms until the slot, slot, lease end, tasks
--          dropped}. The result is 'stored', 'over_quota' or 'claimed'; slot and lease end are ''
--          unless it is 'claimed'.
-- One step: the version check, the slot, the quota and every index must agree. Between any two of
-- them another instance could send a second command or take the same place of a quota.
--
-- The queue is three sorted sets. A record has one member, its order: command priority, policy
-- priority, age, name. `later` has the records due in the future, by due time; `line` those due now,
-- by order; `lined` the same as `line`, by due time.
local DROPPED_AT_ONCE = 20
local request = cjson.decode(ARGV[3])
local row = redis.call('HMGET', KEYS[2], 'version', 'token', 'phase', 'order', 'rule', 'waits',
  'slot', 'sent', 'lease', 'over_quota')
-- A field that would be empty is left out: most records have no flight and wait for nothing.
local old = {version = tonumber(row[1] or '0'), token = row[2], phase = row[3], order = row[4],
  rule = row[5] or '', waits = row[6] or '', slot = row[7] or '', sent = row[8] or '',
  lease = row[9] or '', result = row[10] or 'stored'}
local dropped = 0
local function reply(result, version, at, sent, lease)
  return {result, version, string.format('%.3f', math.max(at - now, 0)), sent, lease, dropped}
end
-- A client repeats a save whose answer was lost. The token is compared before the version, since
-- the first attempt has raised the version and the repeat would look like a conflict.
if old.token == request.token then
  if old.slot ~= '' then
    return reply('claimed', old.version, tonumber(old.slot), old.sent, old.lease)
  end
  return reply(old.result, old.version, now, '', '')
end
-- A decision from before the clock was set back has times that now lie ahead.
if old.version ~= request.version or moment < request.clock_at_least then return {'conflict'} end

-- Remove the old record from those indexes in which the new one gets another place.
local function leave_queue()
  if old.order then
    redis.call('ZREM', KEYS[5], old.order)
    redis.call('ZREM', KEYS[6], old.order)
    redis.call('ZREM', KEYS[7], old.order)
  end
  if old.waits ~= '' then
    redis.call('ZREM', KEYS[11], old.waits .. '\0' .. string.sub(old.order, 2))
  end
end
local function leave_phase()
  if old.phase then
    redis.call('ZREM', KEYS[10], old.phase .. '\0' .. request.member)
    redis.call('HINCRBY', KEYS[8], 'phase:' .. old.phase, -1)
  end
end
-- The counts change before the free places are counted, so that a place given up here is free.
local function move_place(rule)
  if old.rule == rule then return end
  for name, change in pairs({[old.rule] = -1, [rule] = 1}) do
    if name ~= '' then
      redis.call('HINCRBY', KEYS[8], 'rule:' .. string.sub(name, 2), change)
      redis.call('HINCRBY', KEYS[8], 'account', change)
    end
  end
  for _, scope in ipairs(request.scopes) do
    local free = scope[2] - tonumber(redis.call('HGET', KEYS[8], scope[1]) or '0')
    local first = free > 0 and redis.call('ZRANGEBYLEX', KEYS[11],
      '[' .. scope[1] .. '\0', '(' .. scope[1] .. '\1', 'LIMIT', 0, text(free)) or {}
    -- As many starts as there are free places become due; each takes its place with its own save.
    for _, waiting in ipairs(first) do
      local woken = request.start_priority .. string.sub(waiting, #scope[1] + 2)
      redis.call('ZADD', KEYS[6], 0, woken)
      redis.call('ZADD', KEYS[7], text(moment), woken)
      redis.call('ZREM', KEYS[5], woken)
    end
  end
end

-- Return the name under which a stream's file is kept: the uri's name in the domain, or a name with
-- the stream if the uri was reported of another stream before.
local function own_uri(name) return request.domain .. '\0' .. name .. '\0' .. request.member end
local function kept_uri(name)
  local own = own_uri(name)
  return redis.call('HGET', KEYS[12], own) and own or request.domain .. '\0' .. name
end

-- The ledger of a stream is its edges, "noted edge" on a line each. It is kept in pieces: fields of
-- one hash, "name NUL number". A piece to which nothing is added for `keep_ledger_ms` is dropped.
local function add_edges(edges)
  if #edges == 0 then return end
  local prefix = request.member .. '\0'
  local pieces = redis.call('ZRANGEBYLEX', KEYS[16], '[' .. prefix, '(' .. request.member .. '\1')
  local newest = pieces[#pieces]
  local lines = newest and redis.call('HGET', KEYS[15], newest) or ''
  local begun = tonumber(string.match(lines, '^(%d+) ') or '0')
  local _, count = string.gsub(lines, '\n', '')
  if not newest or count >= request.piece_edges or moment - begun > request.piece_ms then
    local number = newest and tonumber(string.sub(newest, #prefix + 1)) + 1 or 1
    newest, lines = prefix .. string.format('%08d', number), ''
    pieces[#pieces + 1] = newest
  end
  for _, edge in ipairs(edges) do lines = lines .. text(moment) .. ' ' .. edge .. '\n' end
  redis.call('HSET', KEYS[15], newest, lines)
  redis.call('ZADD', KEYS[16], 0, newest)
  redis.call('ZADD', KEYS[17], text(moment), newest)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[17], '-inf',
    '(' .. text(moment - request.keep_ledger_ms), 'LIMIT', 0, DROPPED_AT_ONCE)
  if #pieces > request.max_pieces then gone[#gone + 1] = pieces[1] end
  if #gone > 0 then
    redis.call('HDEL', KEYS[15], unpack(gone))
    redis.call('ZREM', KEYS[16], unpack(gone))
    redis.call('ZREM', KEYS[17], unpack(gone))
  end
end

local function add_counts(counts)
  for _, count in ipairs(counts) do
    redis.call('HINCRBY', KEYS[23], count[1], text(count[2]))
  end
end

-- Forget the stream. No first write here needs memory, so a full engine does it, too. A version is
-- never used twice, so that a caller with the old record does not mistake a new one for it.
if request.forgets then
  for _, place in ipairs(redis.call('ZRANGEBYLEX', KEYS[21], '[' .. request.member .. '\0',
      '(' .. request.member .. '\1')) do
    if redis.call('HGET', KEYS[19], string.sub(place, #request.member + 2)) then
      return {'kept'}
    end
    redis.call('ZREM', KEYS[21], place) -- its row could not be read, and is gone
  end
  for _, member in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    local uri = kept_uri(string.sub(member, request.age_chars + 1))
    redis.call('HDEL', KEYS[12], uri)
    redis.call('HDEL', KEYS[22], uri)
  end
  local fields = redis.call('HGETALL', KEYS[2])
  for i = 1, #fields, 2 do redis.call('HDEL', KEYS[2], fields[i]) end
  redis.call('LTRIM', KEYS[3], 1, 0)
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '+inf')
  redis.call('ZREM', KEYS[9], request.member)
  redis.call('HDEL', KEYS[13], request.member)
  redis.call('HDEL', KEYS[14], request.member)
  redis.call('ZREM', KEYS[18], request.member)
  leave_queue()
  leave_phase()
  move_place('')
  local highest = tonumber(redis.call('HGET', KEYS[8], 'forgotten') or '0')
  redis.call('HSET', KEYS[8], 'forgotten', text(math.max(highest, old.version)))
  add_counts(request.counts)
  add_edges(request.edges)
  return reply('stored', 0, now, '', '')
end
-- A fail-over may lose the last writes. A version is the time at least, so that no later write gets
-- the version of a lost one: a caller that read the lost one would overwrite the later write.
local version = request.version
if version == 0 then version = tonumber(redis.call('HGET', KEYS[8], 'forgotten') or '0') end
version = math.max(version + 1, moment)

-- Choose one of the three variants of the record. The quota is checked before the slot: a start
-- that may not run must not use up a slot. A record that counts already needs no further place.
local chosen, result, waits, ahead_by = request.if_no_slot, 'stored', '', 0
if request.if_slot then
  if request.if_no_quota and old.rule == '' then
    for _, scope in ipairs(request.scopes) do
      local ahead = redis.call('ZLEXCOUNT', KEYS[11],
        '[' .. scope[1] .. '\0', '(' .. scope[1] .. '\0' .. request.queue_position)
      local taken = tonumber(redis.call('HGET', KEYS[8], scope[1]) or '0')
      if waits == '' and taken + ahead >= scope[2] then waits = scope[1] end
    end
  end
  if waits ~= '' then
    chosen, result = request.if_no_quota, 'over_quota'
  elseif slot - now > request.slot_wait_ms then
    ahead_by = slot - now
  else
    chosen, result = request.if_slot, 'claimed'
  end
end

-- The lease runs from the slot, not from now: the client waits for the slot before it sends.
--
--   ----now----slot = sent----sent + lease_ms = lease end, due at the latest----> time
local sent, lease, claimed_slot = '', '', ''
local due = chosen.due
if result == 'claimed' then
  local at = math.floor(slot + 0.5)
  sent, lease, claimed_slot = text(at), text(at + request.lease_ms), string.format('%.3f', slot)
  due = math.min(due or at + request.lease_ms, at + request.lease_ms)
elseif result == 'over_quota' then
  -- A save that gives up a place makes this one due earlier (below); a raised cap does not.
  due = math.min(due or moment + request.recheck_ms, moment + request.recheck_ms)
end
local order = chosen.command_priority .. request.queue_position
local rule = chosen.takes and '=' .. request.rule or ''

-- An engine out of memory refuses this first write, before anything has changed; it would not refuse
-- ZREM or HDEL. A save that must fit is then stored without history, files, edges and tasks: after
-- PERSIST, which needs no memory, the engine lets the script go on (when_full.lua).
local given, left_out = {}, {}
-- A document that could not be read is kept next to the one that replaces it.
if request.sets_aside then
  given = {'aside', redis.call('HGET', KEYS[2], 'document') or ''}
end
for name, value in pairs({rule = rule, waits = waits, slot = claimed_slot, sent = sent,
    lease = lease, over_quota = result == 'stored' and '' or result}) do
  if value == '' then
    left_out[#left_out + 1] = name
  else
    given[#given + 1], given[#given + 2] = name, value
  end
end
local function put()
  return redis.pcall('HSET', KEYS[2], 'version', text(version), 'token', request.token,
    'document', chosen.document, 'phase', chosen.phase, 'order', order,
    'ends_at', chosen.ends_at, unpack(given))
end
local entries, files = request.entries, request.files
local edges = waits ~= '' and request.edges_over_quota or request.edges
local tasks = (waits ~= '' and request.tasks_over_quota or request.tasks) or {}
local put_result = put()
if type(put_result) == 'table' and put_result.err then
  if not (request.must_fit and string.find(put_result.err, 'OOM', 1, true)) then
    return put_result
  end
  redis.call('PERSIST', KEYS[2])
  dropped = #tasks
  entries, files, edges, tasks, put_result = {}, {}, {}, {}, put()
end
if #left_out > 0 then redis.call('HDEL', KEYS[2], unpack(left_out)) end
if result == 'claimed' then take(request.interval) end
redis.call('HDEL', KEYS[14], request.member)
if request.version == 0 then redis.call('ZADD', KEYS[9], 0, request.member) end
if old.phase ~= chosen.phase then
  leave_phase()
  redis.call('ZADD', KEYS[10], 0, chosen.phase .. '\0' .. request.member)
  redis.call('HINCRBY', KEYS[8], 'phase:' .. chosen.phase, 1)
end
if chosen.watched then
  redis.call('HSET', KEYS[13], request.member, chosen.watched)
else
  redis.call('HDEL', KEYS[13], request.member)
end

-- Since when the stream has been wanted, live and not recorded. No command depends on this index.
if chosen.wrong then
  redis.call('ZADD', KEYS[18], text(chosen.wrong), request.member)
else
  redis.call('ZREM', KEYS[18], request.member)
end

-- The old order leaves the queue before the new one joins it: both may be the same text.
leave_queue()
if due and due <= moment then
  redis.call('ZADD', KEYS[6], 0, order)
  redis.call('ZADD', KEYS[7], text(due), order)
elseif due then
  redis.call('ZADD', KEYS[5], text(due), order)
end

if waits ~= '' then redis.call('ZADD', KEYS[11], 0, waits .. '\0' .. request.queue_position) end
move_place(rule)

-- Live may report a file several times. Only the first report adds a line of history.
local function member(start, name)
  return string.format('%0' .. request.age_chars .. '.0f', start == '-' and 0 or start) .. name
end
local known, known_names = {}, {}
for _, file in ipairs(files) do
  local start = string.match(redis.call('HGET', KEYS[12], kept_uri(file.name)) or '', '^(%S+) %S+ ')
  if start and redis.call('ZSCORE', KEYS[4], member(start, file.name)) then
    known[file.entry], known_names[file.name] = true, true
  end
end
-- A history line is "first last count entry", newest first. An entry that repeats the newest line
-- only raises its count.
if waits ~= '' then entries[#entries + 1] = request.no_quota end
for _, entry in ipairs(entries) do
  local newest = redis.call('LINDEX', KEYS[3], 0) or ''
  local at, count, newest_entry = string.match(newest, '^(%d+) %d+ (%d+) (.*)$')
  if known[entry] then -- the first report has added its line
  elseif newest_entry == entry then
    local times = at .. ' ' .. text(moment) .. ' ' .. text(count + 1)
    redis.call('LSET', KEYS[3], 0, times .. ' ' .. entry)
  else
    redis.call('LPUSH', KEYS[3], text(moment) .. ' ' .. text(moment) .. ' 1 ' .. entry)
    redis.call('LTRIM', KEYS[3], 0, request.history_max_entries - 1)
  end
end
-- Old lines are dropped one by one, a few with each save, so that no step takes long.
local kept_since = moment - request.keep_ms
for _ = 1, #entries > 0 and DROPPED_AT_ONCE or 0 do
  local last = string.match(redis.call('LINDEX', KEYS[3], -1) or '', '^%d+ (%d+) ')
  if not last or tonumber(last) >= kept_since then break end
  redis.call('LTRIM', KEYS[3], 0, -2)
end
-- A file is kept as "start stop duration stored", '-' if unknown. A value in a later report replaces
-- the old one. What an earlier release kept of a file ("1", "<duration>ms") stays. A file's member
-- begins with its start. Its score is its end, or else its start, or else the time of the report.
local function later(report, before) return report ~= '-' and report or before end
for _, file in ipairs(files) do
  local uri = kept_uri(file.name)
  local kept = redis.call('HGET', KEYS[12], uri)
  local start, stop, duration, stored, args =
    string.match(kept or '- - - -', '^(%S+) (%S+) (%S+) (%S+) ?(%S*)$')
  local before = start and member(start, file.name)
  local score = start and kept and redis.call('ZSCORE', KEYS[4], before)
  if start and kept and not score then -- the file is another stream's
    uri, kept, start, stop, duration, args = own_uri(file.name), nil, '-', '-', '-', ''
  end
  if start then
    start, stop = later(file.start, start), later(file.stop, stop)
    duration = later(file.duration, duration)
    stored = kept and stored or text(moment)
    args = later(file.args, args)
    redis.call('HSET', KEYS[12], uri,
      table.concat({start, stop, duration, stored, args ~= '' and args or nil}, ' '))
    if kept then redis.call('ZREM', KEYS[4], before) end
    local at = stop ~= '-' and stop or start ~= '-' and start or score or text(moment)
    redis.call('ZADD', KEYS[4], at, member(start, file.name))
  end
end
local oldest = #files > 0 and
  redis.call('ZRANGE', KEYS[4], 0, DROPPED_AT_ONCE - 1, 'WITHSCORES') or {}
for i = 1, #oldest, 2 do
  local uri = kept_uri(string.sub(oldest[i], request.age_chars + 1))
  local stored = string.match(redis.call('HGET', KEYS[12], uri) or '', '^%S+ %S+ %S+ (%d+)')
  -- A file that an earlier release kept counts from its end, if that is known.
  local at = tonumber(stored or oldest[i + 1])
  if at > 0 and at < kept_since then
    redis.call('ZREM', KEYS[4], oldest[i])
    redis.call('HDEL', KEYS[12], uri)
    redis.call('HDEL', KEYS[22], uri)
  end
end
add_edges(edges)
add_counts(request.counts)
-- The tasks that follow are due now. A task is a row of JSON; take_tasks.lua explains its indexes.
for _, task in ipairs(tasks) do
  if not known_names[task.of_file] and not redis.call('HGET', KEYS[19], task.id) then
    local bytes = tonumber(redis.call('HGET', KEYS[8], 'outbox_bytes') or '0')
    if bytes + task.row.size > request.outbox_max_bytes then
      dropped = dropped + 1
    else
      task.row.made_at, task.row.due_at = moment, moment
      task.row.sequence = redis.call('HINCRBY', KEYS[8], 'task_sequence', 1)
      local due_at = string.format('%014.0f', moment)
      redis.call('HSET', KEYS[19], task.id, cjson.encode(task.row))
      redis.call('ZADD', KEYS[20], 0, task.row.kind .. '\0' .. due_at .. task.id)
      redis.call('ZADD', KEYS[21], 0, request.member .. '\0' .. task.id)
      redis.call('HINCRBY', KEYS[8], 'outbox_bytes', task.row.size)
    end
  end
end
if dropped > 0 then redis.call('HINCRBY', KEYS[8], 'outbox_dropped', dropped) end
if result == 'claimed' then return reply(result, version, slot, sent, lease) end
return reply(result, version, now + ahead_by, '', '')

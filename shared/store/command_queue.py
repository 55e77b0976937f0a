"""Decides in SQLite which stream is handled next, and when its command may be sent. A stream waits
until it is due, for a slot of the rate limit, and for quota.

Only `sqlite.py` and its modules `record_rows` and `task_rows` call this module, inside the
transactions. Redis does the same in the Lua scripts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from shared.protocol.derived.due_times import (
    command_priority,
    counts_against_quota,
    due_at,
    ends_at,
    queue_priority,
)
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store.contract import RECHECK_MS, Save, furthest_slot_ms, quarantine_pause_ms

MINUTE_MS = 60_000
ACCOUNT = "account"

Row = tuple[int | None, int, int, int, int, str | None, str, int]
"""A record's columns for the queue and the quotas: due_at, in_line, command_priority, priority,
since, rule, waits, ends_at."""


def take_slot(
    db: sqlite3.Connection, rate_limit: str, interval: float, *, now: int, wait: int
) -> tuple[float, bool]:
    """Take the next free slot of a rate limit if it is at most `wait` ms away. Return the time of
    the slot, and whether it was taken. Slots are `interval` ms apart (GCRA with a burst of one)."""
    row = db.execute(
        "SELECT free_at, minute, used, before FROM rate_limit WHERE name=?", (rate_limit,)
    )
    free_at, *counted = row.fetchone() or (0.0, 0, 0, 0)
    free_at = _within_reach(db, rate_limit, free_at, now + furthest_slot_ms(interval))
    slot = max(float(now), free_at)
    if slot - now > wait:
        return slot, False
    used, before = _counted(now, *counted)
    values = (rate_limit, slot + interval, now // MINUTE_MS, used + 1, before)
    db.execute(
        "REPLACE INTO rate_limit (name, free_at, minute, used, before) VALUES (?,?,?,?,?)", values
    )
    return slot, True


def _within_reach(
    db: sqlite3.Connection, rate_limit: str, free_at: float, furthest: float
) -> float:
    """Return when the next free slot begins. A slot beyond `furthest` was given before the clock
    was set back: move it to `furthest`, and store that."""
    if free_at <= furthest:
        return free_at
    db.execute("UPDATE rate_limit SET free_at=? WHERE name=?", (furthest, rate_limit))
    return furthest


def _counted(now: int, minute: int, used: int, before: int) -> tuple[int, int]:
    """Return how many slots were taken in the minute of `now`, and how many in the minute before.
    `used` and `before` are the stored numbers for `minute` and for the minute before it."""
    passed = now // MINUTE_MS - minute
    return (used, before) if passed == 0 else (0, used if passed == 1 else 0)


def pause_slots(
    db: sqlite3.Connection, rate_limit: str, interval: float, *, now: int, pause: int
) -> None:
    db.execute(
        "INSERT INTO rate_limit (name, free_at, minute, used, before) VALUES (?1,?2,0,0,0)"
        " ON CONFLICT (name) DO UPDATE SET free_at = max(min(free_at, ?3), ?2)",
        (rate_limit, now + pause, now + furthest_slot_ms(interval)),
    )


def rate_limit_use(
    db: sqlite3.Connection, rate_limit: str, interval: float, now: int
) -> tuple[float, float]:
    """Return how many slots a second were taken in the last minute, and in how many ms the next
    free slot begins."""
    row = db.execute(
        "SELECT free_at, minute, used, before FROM rate_limit WHERE name=?", (rate_limit,)
    )
    free_at, *counted = row.fetchone() or (0.0, 0, 0, 0)
    used, before = _counted(now, *counted)
    weighed = used + before * (1 - now % MINUTE_MS / MINUTE_MS)
    ahead = min(max(free_at - now, 0.0), furthest_slot_ms(interval))
    return weighed * 1000 / MINUTE_MS, ahead


def take_due(
    db: sqlite3.Connection, now: int, *, limit: int, hold: int
) -> Sequence[tuple[str, str, str]]:
    """Take up to `limit` streams that are due, the most urgent first. No other worker gets them for
    `hold` ms, or until they are saved."""
    db.execute("UPDATE record SET in_line=1 WHERE due_at <= ? AND NOT in_line", (now,))
    rows: list[tuple[str, str, str]] = db.execute(
        "SELECT domain, app, stream FROM record WHERE in_line"
        " ORDER BY command_priority, priority DESC, since, domain, app, stream LIMIT ?",
        (limit,),
    ).fetchall()
    db.executemany(
        "UPDATE record SET in_line=0, due_at=? WHERE domain=? AND app=? AND stream=?",
        [(now + hold, *row) for row in rows],
    )
    return rows


def postpone(db: sqlite3.Connection, key: StreamKey, now: int) -> None:
    """Count a crash of the stream's handling, and make the stream due later, without reading its
    document. If the row has no `ends_at`, because another release wrote the row, the pause is
    short: the stream's end may have passed."""
    at = _columns(key)
    db.execute(
        "INSERT INTO quarantine SELECT domain, app, stream, 1 FROM record"
        " WHERE domain=? AND app=? AND stream=?"
        " ON CONFLICT (domain, app, stream) DO UPDATE SET crashes = crashes + 1",
        at,
    )
    row = db.execute(
        "SELECT crashes, command_priority = 0 AND since > 0, ends_at FROM quarantine"
        " JOIN record USING (domain, app, stream) WHERE domain=? AND app=? AND stream=?",
        at,
    ).fetchone()
    if row is None:
        return
    crashes, is_stopping, end = row
    is_urgent = bool(is_stopping) or end is None or 0 < end <= now
    db.execute(
        "UPDATE record SET in_line=0, due_at=? WHERE domain=? AND app=? AND stream=?"
        " AND due_at IS NOT NULL",
        (now + quarantine_pause_ms(crashes, is_urgent=is_urgent), *at),
    )


def quarantine(db: sqlite3.Connection, key: StreamKey) -> None:
    """Add the stream to the quarantine; leave its due entry as it is."""
    db.execute(
        "INSERT OR IGNORE INTO quarantine SELECT domain, app, stream, 0 FROM record"
        " WHERE domain=? AND app=? AND stream=?",
        _columns(key),
    )


def release(db: sqlite3.Connection, key: StreamKey) -> None:
    """Forget a stream's crashes, once it was handled without a crash."""
    db.execute("DELETE FROM quarantine WHERE domain=? AND app=? AND stream=?", _columns(key))


def full_scope(db: sqlite3.Connection, save: Save, rule: str | None) -> str:
    """Return the scope (a rule, or the account) whose quota has no room for the flight of this
    save; "" if every quota has room, or if the stream counts already. `rule` is the rule under
    which it counts now, or None."""
    if save.if_no_quota is None or rule is not None:
        return ""
    for scope, cap in _caps(save.quota):
        if counter(db, scope) + _ahead(db, scope, save) >= cap:
            return scope
    return ""


def _caps(quota: ConcurrencyQuota) -> Iterator[tuple[str, int]]:
    if quota.of_rule is not None:
        yield f"rule:{quota.rule}", quota.of_rule
    if quota.of_account is not None:
        yield ACCOUNT, quota.of_account


def counter(db: sqlite3.Connection, scope: str) -> int:
    """Return the value of the counter with this name. Most counters count the streams under a
    quota."""
    row = db.execute("SELECT n FROM taken WHERE scope=?", (scope,)).fetchone()
    return int(row[0]) if row else 0


def _ahead(db: sqlite3.Connection, scope: str, save: Save) -> int:
    """Return how many other streams wait for this quota and go first, because they are more urgent,
    or as urgent and older."""
    since = save.if_no_slot.pending.since if save.if_no_slot.pending else 0
    priority = queue_priority(save.if_no_slot, save.quota.priority)
    queue_position = (-priority, since, *_columns(save.key))
    (found,) = db.execute(
        "SELECT count(*) FROM record WHERE waits=?"
        " AND (-priority, since, domain, app, stream) < (?,?,?,?,?)",
        (scope, *queue_position),
    ).fetchone()
    return int(found)


def row_of(record: StreamRecord, quota: ConcurrencyQuota, waits: str, now: int) -> Row:
    """Return the record's columns for the queue and the quotas. A start that waits for quota
    (`waits` names its scope) is due in RECHECK_MS at the latest; freed quota makes it due
    earlier."""
    due = due_at(record)
    if waits:
        due = min(due_at(replace(record, pending=None)) or now + RECHECK_MS, now + RECHECK_MS)
    since = record.pending.since if record.pending else 0
    rule = quota.rule if counts_against_quota(record) else None
    in_line = due is not None and due <= now
    order = (command_priority(record), queue_priority(record, quota.priority), since)
    return due, int(in_line), *order, rule, waits, ends_at(record)


def move(
    db: sqlite3.Connection, before: str | None, after: str | None, quota: ConcurrencyQuota, now: int
) -> None:
    """Count the stream under the rule `after` instead of `before`; None means that the stream does
    not count. Then make as many waiting starts due as the quotas have room for."""
    if before == after:
        return
    for name, change in ((before, -1), (after, 1)):
        if name is not None:
            count(db, f"rule:{name}", change)
            count(db, ACCOUNT, change)
    for scope, cap in _caps(quota):
        _wake(db, scope, cap - counter(db, scope), now)


def count(db: sqlite3.Connection, scope: str, change: int) -> None:
    """Add `change` to the counter with this name."""
    db.execute(
        "INSERT INTO taken VALUES (?,?) ON CONFLICT (scope) DO UPDATE SET n = n + excluded.n",
        (scope, change),
    )


def _wake(db: sqlite3.Connection, scope: str, free: int, now: int) -> None:
    """Make `free` waiting starts due, the most urgent first. Each still has to claim its quota."""
    rows = db.execute(
        "SELECT domain, app, stream FROM record WHERE waits=?"
        " ORDER BY -priority, since, domain, app, stream LIMIT ?",
        (scope, max(free, 0)),
    ).fetchall()
    db.executemany(
        "UPDATE record SET in_line=1, due_at=? WHERE domain=? AND app=? AND stream=?",
        [(now, *row) for row in rows],
    )


def _columns(key: StreamKey) -> tuple[str, str, str]:
    return (key.domain, key.app, key.stream)

"""Stores durable tasks in SQLite.

Only `sqlite.py` calls this module, inside its transactions. Redis does the same in Lua.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from shared.outbox.backoff import LONGEST_WAIT_MS
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    OUTBOX_MAX_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
    size_of,
)
from shared.protocol.stream import StreamKey
from shared.store.command_queue import count, counter
from shared.store.contract import Placed

OUTBOX_BYTES, DEAD_BYTES, DROPPED_COUNT = "outbox_bytes", "dead_bytes", "outbox_dropped"
SEQUENCE = "task_sequence"
"""The counters of tasks: their names, stored next to the quotas."""
_COLUMNS = "id, kind, domain, app, stream, body, made_at, due_at, attempts, version, why, sequence"
"""`kind` is the queue: the kind of task, and its receiver if it has one."""
_Row = tuple[str, str, str, str, str, str, int, int, int, int, str, int]


def add(db: sqlite3.Connection, key: StreamKey, tasks: Sequence[NewTask], now: int) -> int:
    """Add the tasks, due now; return how many had no room. A task is left out if one with its id is
    open."""
    dropped = 0
    for task in tasks:
        if counter(db, OUTBOX_BYTES) + task.size_bytes > OUTBOX_MAX_BYTES:
            is_open = db.execute("SELECT 1 FROM task WHERE id=?", (task.id,)).fetchone()
            dropped += not is_open
            continue
        row = (task.id, task.queue, key.domain, key.app, key.stream, task.body, now, now)
        added = db.execute(
            f"INSERT OR IGNORE INTO task ({_COLUMNS}, size) VALUES (?,?,?,?,?,?,?,?,0,1,'',?,?)",  # noqa: S608 - names of our own
            (*row, counter(db, SEQUENCE) + 1, task.size_bytes),
        )
        if added.rowcount:
            count(db, SEQUENCE, 1)
            count(db, OUTBOX_BYTES, task.size_bytes)
    if dropped:
        count(db, DROPPED_COUNT, dropped)
    return dropped


def leave_out(db: sqlite3.Connection, _key: StreamKey, tasks: Sequence[NewTask], _now: int) -> int:
    """Count these tasks as dropped, because a full engine has no room for them; return their
    number."""
    count(db, DROPPED_COUNT, len(tasks))
    return len(tasks)


def is_open_for(db: sqlite3.Connection, key: StreamKey) -> bool:
    """Return True if a task of the stream is open."""
    row = (key.domain, key.app, key.stream)
    found = db.execute("SELECT 1 FROM task WHERE domain=? AND app=? AND stream=? LIMIT 1", row)
    return found.fetchone() is not None


def take(
    db: sqlite3.Connection, queue: str, now: int, *, limit: int, lease_ms: int
) -> Sequence[Task]:
    """Take up to `limit` tasks of a queue that are due. For `lease_ms` nobody else gets them, and
    only this taker can settle them. A task that is due further ahead than LONGEST_WAIT_MS counts as
    due, too: the clock was set back."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task WHERE kind=? AND (due_at <= ? OR due_at > ?)"  # noqa: S608 - as above
        " ORDER BY due_at, id LIMIT ?",
        (queue, now, now + LONGEST_WAIT_MS, limit),
    ).fetchall()
    db.executemany(
        "UPDATE task SET due_at=?, attempts=attempts+1, version=version+1 WHERE id=?",
        [(now + lease_ms, row[0]) for row in rows],
    )
    return [_task((*row[:7], now + lease_ms, row[8] + 1, row[9] + 1, *row[10:])) for row in rows]


def settle(db: sqlite3.Connection, task: Task, settled: Settlement, now: int) -> bool:
    """Store the result of a task, and return True. If the task was taken again or is gone, change
    nothing and return False."""
    found = db.execute(
        "SELECT size FROM task WHERE id=? AND version=?", (task.id, task.version)
    ).fetchone()
    if found is None:
        return False
    _take_over(db, task.id, settled, before_bytes=found[0])
    if settled.next in (Next.RETRY, Next.CONTINUE):
        row = (now + settled.retry_in_ms, settled.why, task.id)
        db.execute("UPDATE task SET due_at=?, why=? WHERE id=?", row)
        if settled.next is Next.CONTINUE:
            db.execute("UPDATE task SET attempts=0 WHERE id=?", (task.id,))
        add(db, task.stream, settled.tasks, now)
        return True
    if settled.next is Next.DEAD:
        _bury(db, task.id, settled.why, now)
    _remove(db, "task", task.id, OUTBOX_BYTES)
    add(db, task.stream, settled.tasks, now)
    return True


def _take_over(
    db: sqlite3.Connection, task_id: str, settled: Settlement, *, before_bytes: int
) -> None:
    """Give the task the kind and body with which it continues, if they differ."""
    if settled.kind:
        db.execute("UPDATE task SET kind=? WHERE id=?", (settled.kind, task_id))
    if settled.body:
        row = (settled.body, size_of(settled.body), task_id)
        db.execute("UPDATE task SET body=?, size=? WHERE id=?", row)
        count(db, OUTBOX_BYTES, size_of(settled.body) - before_bytes)


def _bury(db: sqlite3.Connection, task_id: str, why: str, now: int) -> None:
    """Make the task a dead letter. If there are too many, drop the oldest and count them."""
    _remove(db, "dead_task", task_id, DEAD_BYTES)
    db.execute(
        f"INSERT INTO dead_task ({_COLUMNS}, size) SELECT {_COLUMNS}, size FROM task WHERE id=?",  # noqa: S608 - as above
        (task_id,),
    )
    db.execute("UPDATE dead_task SET due_at=?, why=? WHERE id=?", (now, why, task_id))
    (size,) = db.execute("SELECT size FROM dead_task WHERE id=?", (task_id,)).fetchone()
    count(db, DEAD_BYTES, size)
    while counter(db, DEAD_BYTES) > DEAD_MAX_BYTES:
        (oldest,) = db.execute("SELECT id FROM dead_task ORDER BY due_at, id LIMIT 1").fetchone()
        _remove(db, "dead_task", oldest, DEAD_BYTES)
        count(db, DROPPED_COUNT, 1)


def _remove(db: sqlite3.Connection, table: str, task_id: str, counted: str) -> None:
    row = db.execute(f"SELECT size FROM {table} WHERE id=?", (task_id,)).fetchone()  # noqa: S608 - as above
    if row is not None:
        db.execute(f"DELETE FROM {table} WHERE id=?", (task_id,))  # noqa: S608 - as above
        count(db, counted, -row[0])


def drop_old(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Drop up to `limit` dead letters that failed for good before the time `before`; return how
    many."""
    rows = db.execute(
        "SELECT id FROM dead_task WHERE due_at < ? ORDER BY due_at LIMIT ?", (before, limit)
    ).fetchall()
    for (task_id,) in rows:
        _remove(db, "dead_task", task_id, DEAD_BYTES)
    return len(rows)


def redrive(db: sqlite3.Connection, task_id: str, now: int) -> Redriven:
    """Make a dead letter an open task again, due now, with no attempt counted. Return whether that
    worked, or why not."""
    row = db.execute("SELECT size FROM dead_task WHERE id=?", (task_id,)).fetchone()
    if row is None:
        return Redriven.UNKNOWN
    if counter(db, OUTBOX_BYTES) + row[0] > OUTBOX_MAX_BYTES:
        return Redriven.FULL
    added = db.execute(
        f"INSERT OR IGNORE INTO task ({_COLUMNS}, size)"  # noqa: S608 - as above
        f" SELECT {_COLUMNS}, size FROM dead_task WHERE id=?",
        (task_id,),
    )
    if added.rowcount:
        db.execute(
            "UPDATE task SET due_at=?, attempts=0, version=version+1, why='' WHERE id=?",
            (now, task_id),
        )
        count(db, OUTBOX_BYTES, row[0])
    _remove(db, "dead_task", task_id, DEAD_BYTES)
    return Redriven.OPEN


def open_page(db: sqlite3.Connection, after: str, limit: int) -> Sequence[Placed]:
    """Return up to `limit` open tasks, ordered by stream, beginning after the place `after`."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task WHERE (domain, app, stream, id) > (?,?,?,?)"  # noqa: S608 - as above
        " ORDER BY domain, app, stream, id LIMIT ?",
        (*_four(after), limit),
    ).fetchall()
    return [Placed.open(_task(row)) for row in rows]


def open_of_kind(db: sqlite3.Connection, kind: str, limit: int) -> Sequence[Task]:
    """Return up to `limit` open tasks of a kind; the task with the latest due time comes first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task WHERE kind=? ORDER BY due_at DESC, id DESC LIMIT ?",  # noqa: S608 - as above
        (kind, limit),
    ).fetchall()
    return list(map(_task, rows))


def _four(place: str) -> tuple[str, ...]:
    parts = place.split("\0", 2)
    if len(parts) < 3:  # noqa: PLR2004 - domain, app, and the rest
        return ("", "", "", "")
    return (*parts[:2], *parts[2].rpartition("\0")[::2])


def dead_page(db: sqlite3.Connection, after: str, limit: int) -> Sequence[Placed]:
    """Return up to `limit` dead letters, oldest first, beginning after the place `after`."""
    at, task_id = Placed.of_dead(after)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM dead_task WHERE (due_at, id) > (?,?)"  # noqa: S608 - as above
        " ORDER BY due_at, id LIMIT ?",
        (at, task_id, limit),
    ).fetchall()
    return [Placed.dead(_task(row)) for row in rows]


def state(db: sqlite3.Connection, now: int) -> OutboxState:
    (open_, due_at) = db.execute("SELECT count(*), min(due_at) FROM task").fetchone()
    (dead,) = db.execute("SELECT count(*) FROM dead_task").fetchone()
    return OutboxState(
        open_,
        counter(db, OUTBOX_BYTES),
        0 if due_at is None else max(now - due_at, 0),
        dead,
        counter(db, DEAD_BYTES),
        counter(db, DROPPED_COUNT),
    )


def _task(row: _Row) -> Task:
    return Task(row[0], row[1], StreamKey(*row[2:5]), row[5], *row[6:])

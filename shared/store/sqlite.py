"""The embedded store for one machine: one SQLite file, any number of processes.

`open_store` makes it. Each operation that writes is one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from threading import RLock
from typing import ParamSpec, TypeVar

from msgspec.structs import astuple, replace

from shared import retry
from shared.ledger.edges import Edge
from shared.outbox.settlement import Settlement
from shared.outbox.task import OF_STAGE, NewTask, OutboxState, Redriven, Task
from shared.protocol.continuity import Continuity
from shared.protocol.derived.phase import Phase
from shared.protocol.file import File
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store import command_queue, record_rows, task_rows
from shared.store.codec import (
    edge_from_text,
    entry_from_json,
    from_json,
    verdict_to_text,
)
from shared.store.contract import (
    COMMANDS,
    DAY_MS,
    MAX_WORKER_LEASE_MS,
    POLL_RATE_PER_S,
    POLLS,
    SAMPLES_MS,
    SIGNED_KEPT_S,
    STEP_MS,
    AlertsCopy,
    Claimed,
    Conflict,
    Durability,
    Filter,
    HistoryLine,
    InForce,
    Loaded,
    NotForgotten,
    Placed,
    PolicyCopy,
    Queue,
    RateLimitUse,
    Save,
    Saved,
    Size,
    Stored,
    Watched,
    WrongCount,
    WrongRow,
    edges_of,
    growth,
    tasks_of,
    watched_of,
)
from shared.store.schema import create
from shared.store.store_errors import StoreFull, StoreUnavailable, Unreadable
from shared.store.store_state import StoreState

SAFETY = ("journal_mode", "synchronous")
BUSY_S = 2.0
"""s that a writer waits for another one before it gives up."""
SWITCH_PAUSE_S = 0.02
"""s between two tries to switch a new file to its write-ahead log."""
FULL = "database or disk is full"
"""SQLite's message if the file is full, and in no other case."""
ROOM_ROWS = 500
"""Lines of history dropped to make room in a full file: about 20 pages, enough for a few hundred
stops."""

_SIGNED = "SELECT 1 FROM signed WHERE second=? AND domain=? AND app=? AND stream=?"

P = ParamSpec("P")
T = TypeVar("T")


def _even_if_full(act: Callable[P, T]) -> Callable[P, T]:
    """Return `act` wrapped: if the file is full, make room and try once more. Use it for a write
    that must work in a full file and does not make the file grow."""

    @wraps(act)
    def retrying(*args: P.args, **named: P.kwargs) -> T:
        try:
            return act(*args, **named)
        except StoreFull:
            store = args[0]
            assert isinstance(store, SqliteStore)  # noqa: S101 - for the type checker
            store._make_room()  # noqa: SLF001 - its own method
            return act(*args, **named)

    return retrying


class SqliteStore:
    """A store in one file. `rate` is the rate limit, in commands a second. `clock` gives ms since
    the epoch; the store uses no other clock."""

    def __init__(
        self, path: str, *, rate: float, clock: Callable[[], int], store_id: str = ""
    ) -> None:
        self._path = path
        self._interval = 1000 / rate
        self._clock = clock
        self._store_id = store_id
        self._lock = RLock()  # workers are threads
        self._connection: sqlite3.Connection | None = None

    def prepare(self) -> None:
        """Do nothing: there is nothing to import."""

    def load(self, key: StreamKey) -> Loaded:
        with self._reading() as db:
            row = db.execute(
                "SELECT version, document FROM record WHERE domain=? AND app=? AND stream=?",
                record_rows.columns(key),
            ).fetchone()
            state = _state(db)
        now = self._clock()
        continuity = self._touched(state, now).continuity(self._store_id, now)
        if row is None:
            return Loaded(StreamRecord(key), 0, now, continuity)
        record = from_json(key, row[1], version=row[0], now=now)
        return Loaded(record, row[0], now, continuity)

    def _touched(self, state: StoreState, now: int) -> StoreState:
        """Return the state after a touch, and store it. Ignore a file that cannot be written,
        because its records can still be read."""
        touched = state.touched(now).examined(self._store_id, now)
        if touched != state:
            with suppress(StoreUnavailable), self._writing() as db:
                _put_state(db, _state(db).touched(now).examined(self._store_id, now))
        return touched

    def save_or_claim(self, save: Save) -> Saved:
        try:
            return self._save(save)
        except StoreFull:
            if not (save.must_fit or save.if_no_slot.is_blank):
                raise
            self._make_room()
            smaller = replace(save, entries=(), files=(), edges=(), edges_over_quota=())
            return self._save(smaller, has_room=False)

    def _save(self, save: Save, *, has_room: bool = True) -> Saved:
        # Version, slot and quota are read and written in one transaction: two writers of one
        # version, or two starts for the last quota, would otherwise both succeed.
        with self._writing() as db:
            now = self._clock()
            version, rule = record_rows.stored_version(db, save.key)
            if version != save.version or save.decided_at > now + STEP_MS:
                return Conflict()
            if save.if_no_slot.is_blank:
                if task_rows.is_open_for(db, save.key):
                    return NotForgotten()
                record_rows.add_counts(db, save.counts)
                record_rows.add_edges(db, save, save.edges, now)
                return record_rows.forget(db, save, rule, now)
            saved, record, waits = self._choose(
                db, save, rule, record_rows.next_version(db, version, now), now
            )
            row = command_queue.row_of(record, save.quota, waits, now)
            if save.sets_aside:
                record_rows.set_aside(db, save.key)
            command_queue.release(db, save.key)
            record_rows.put(db, record, saved.version, row)
            command_queue.move(db, rule, row[5], save.quota, now)
            known = [file for file in save.files if record_rows.is_known(db, save.key, file.uri)]
            record_rows.append_lines(db, save, record_rows.new_lines(save, saved, known), now)
            record_rows.keep_files(db, save, now)
            record_rows.add_edges(db, save, edges_of(save, saved), now)
            record_rows.add_counts(db, save.counts)
            tasks = record_rows.new_tasks(tasks_of(save, saved), known)
            add = task_rows.add if has_room else task_rows.leave_out
            dropped = add(db, save.key, tasks, now) if tasks else 0
        return replace(saved, dropped_tasks=dropped) if dropped else saved

    def _choose(
        self, db: sqlite3.Connection, save: Save, rule: str | None, version: int, now: int
    ) -> tuple[Stored | Claimed, StreamRecord, str]:
        """Return the outcome, the record to store, and the scope whose quota it waits for ("" for
        none)."""
        stored = Stored(version)
        if save.if_slot is None:
            return stored, save.if_no_slot, ""
        waits = command_queue.full_scope(db, save, rule)
        if waits and save.if_no_quota:
            return replace(stored, over_quota=True), save.if_no_quota, waits
        slot, taken = command_queue.take_slot(
            db, COMMANDS, self._interval, now=now, wait=save.slot_wait_ms
        )
        if not taken:
            return replace(stored, next_slot_in_ms=slot - now), save.if_no_slot, ""
        record = record_rows.complete(save.if_slot, slot, save.lease_ms)
        return Claimed(stored.version, record, max(slot - now, 0.0)), record, ""

    def poll_slot(self, wait: int) -> float | None:
        """Take the next slot for a poll. `wait` and the result are those of `take_slot`."""
        return self.take_slot(POLLS, 1000 / POLL_RATE_PER_S, wait)

    @_even_if_full
    def take_slot(self, name: str, interval_ms: float, wait: int) -> float | None:
        """Take the next slot of the rate limit `name`, whose slots are `interval_ms` apart. Return
        in how many ms the slot begins. If that is more than `wait` ms, take no slot and return
        None."""
        with self._writing() as db:
            now = self._clock()
            slot, taken = command_queue.take_slot(db, name, interval_ms, now=now, wait=wait)
        return max(slot - now, 0.0) if taken else None

    @_even_if_full
    def pause_slots(self, ms: int) -> None:
        """Give no slots for commands for `ms`, because Live has throttled."""
        with self._writing() as db:
            command_queue.pause_slots(db, COMMANDS, self._interval, now=self._clock(), pause=ms)

    def rate_limit_use(self) -> RateLimitUse:
        """Return how much of the rate limit for commands is used."""
        with self._reading() as db:
            used, ahead = command_queue.rate_limit_use(db, COMMANDS, self._interval, self._clock())
        return RateLimitUse(1000 / self._interval, used, ahead)

    @_even_if_full
    def register(self, name: str, who: str, ms: int) -> int:
        """Register the worker `who` for `ms`, or renew its registration; return how many others of
        this name are registered. Raise ForeignStore if the store belongs to another stage."""
        with self._writing() as db:
            now = self._clock()
            state = _state(db).touched_by_worker(now).examined(self._store_id, now)
            state.continuity(self._store_id, now)
            _put_state(db, state)
            # A worker whose lease ends further ahead registered before the clock was set back. It
            # registers again if it still runs.
            db.execute("DELETE FROM worker WHERE until <= ? OR until > ?", (now, _lease_end(now)))
            db.execute("REPLACE INTO worker VALUES (?,?,?)", (name, who, now + ms))
            (all_of_them,) = db.execute(
                "SELECT count(*) FROM worker WHERE name=?", (name,)
            ).fetchone()
        return int(all_of_them) - 1

    def is_among_first(self, second: int, key: StreamKey, most: int) -> bool:
        """Return True if this stream is among the first `most` streams that callbacks with one time
        of signature have named. This time is `second`, in s since the epoch. If the result is True,
        remember the stream."""
        row = (second, *record_rows.columns(key))
        with self._writing() as db:
            if db.execute(_SIGNED, row).fetchone():
                return True
            db.execute("DELETE FROM signed WHERE second < ?", (second - SIGNED_KEPT_S,))
            (count,) = db.execute(
                "SELECT count(*) FROM signed WHERE second=?", (second,)
            ).fetchone()
            if count < most:
                db.execute("INSERT INTO signed VALUES (?,?,?,?)", row)
            return bool(count < most)

    @_even_if_full
    def may_wake_one(self, name: str, most: int, ms: int) -> bool:
        """Return True if one more worker of this name should be woken, and store that one was woken
        now. No worker should be woken if one was woken within `ms`. Otherwise, one should be if
        none is registered, or if fewer than `most` are registered and the next slot for commands is
        free now."""
        woken = f"woken {name}"
        with self._writing() as db:
            now = self._clock()
            (alive,) = db.execute(
                "SELECT count(*) FROM worker WHERE name=? AND until > ? AND until <= ?",
                (name, now, _lease_end(now)),
            ).fetchone()
            row = db.execute("SELECT at FROM timestamp WHERE name=?", (woken,)).fetchone()
            is_booked = command_queue.rate_limit_use(db, COMMANDS, self._interval, now)[1] > 0
            enough = alive >= most or (alive > 0 and is_booked)
            if enough or (row and 0 <= now - row[0] < ms):
                return False
            db.execute("REPLACE INTO timestamp VALUES (?, ?)", (woken, now))
        return True

    @_even_if_full
    def deregister(self, name: str, who: str) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM worker WHERE name=? AND id=?", (name, who))

    def missing_commands(self) -> Sequence[str]:
        """Return nothing: a file refuses no command."""
        return ()

    def replicated(self, _most_ms: int) -> int | None:
        """Return None: a file has no replicas."""
        return None

    @_even_if_full
    def take_due(self, limit: int, hold: int) -> Sequence[StreamKey]:
        """Take up to `limit` streams that are due, and return them: first by command (stops,
        restarts, starts), then by priority, then by age. No other worker gets them for `hold` ms,
        or until they are saved."""
        with self._writing() as db:
            rows = command_queue.take_due(db, self._clock(), limit=limit, hold=hold)
        return [StreamKey(*row) for row in rows]

    @_even_if_full
    def postpone(self, key: StreamKey) -> None:
        """Leave a stream alone for a while after its handling crashed, longer after each further
        crash. The stream's next save ends the pause."""
        with self._writing() as db:
            command_queue.postpone(db, key, self._clock())

    def quarantine(self, key: StreamKey) -> None:
        """Put a stream into the quarantine because its record cannot be read. The time at which the
        stream is due does not change."""
        with self._writing() as db:
            command_queue.quarantine(db, key)

    def release(self, key: StreamKey) -> None:
        """Take the stream out of the quarantine, as a save does."""
        with self._writing() as db:
            command_queue.release(db, key)

    def quarantined(self) -> int:
        """Return how many streams are in the quarantine: their last handling crashed, or their
        record cannot be read."""
        with self._reading() as db:
            (count,) = db.execute("SELECT count(*) FROM quarantine").fetchone()
        return int(count)

    def never_crashed(self, limit: int) -> Sequence[StreamKey]:
        """Return up to `limit` streams that are quarantined because their record could not be read,
        and whose handling has not crashed since."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT domain, app, stream FROM quarantine WHERE crashes=0 LIMIT ?", (limit,)
            ).fetchall()
        return [StreamKey(*row) for row in rows]

    def next_due(self) -> int | None:
        with self._reading() as db:
            (at,) = db.execute("SELECT min(due_at) FROM record").fetchone()
        return None if at is None else max(int(at) - self._clock(), 0)

    def watched(self, domain: str) -> Sequence[Watched]:
        """Return the sessions of a domain that have not ended."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT app, stream, document FROM record WHERE domain=? AND watched", (domain,)
            ).fetchall()
        found = (record_rows.read(StreamKey(domain, *row[:2]), row[2]) for row in rows)
        return [
            Watched(one.key, None, doubted=True) if isinstance(one, Unreadable) else watched_of(one)
            for one in found
        ]

    def wrong_count(self, waited_ms: int) -> WrongCount:
        """Return how many streams have been wanted, live and not recorded for at least `waited_ms`,
        and for how long the first of them has been so."""
        now = self._clock()
        with self._reading() as db:
            count, oldest = db.execute(
                "SELECT count(*), min(wrong_at) FROM record WHERE wrong_at <= ?",
                (now - waited_ms,),
            ).fetchone()
        return WrongCount(count, now - oldest if count else 0)

    def wrong(
        self, until: int, *, after: tuple[int, StreamKey] | None, limit: int
    ) -> Sequence[WrongRow]:
        """Return up to `limit` streams that have been wanted, live and not recorded at least since
        `until`, the longest first. Begin after the row `after`, given by its `since` and its
        stream; None for the first page."""
        since, key = after or (-1, StreamKey("", "", ""))
        with self._reading() as db:
            rows = db.execute(
                "SELECT wrong_at, domain, app, stream, document FROM record WHERE wrong_at <= ?"
                " AND (wrong_at, domain, app, stream) > (?,?,?,?)"
                " ORDER BY wrong_at, domain, app, stream LIMIT ?",
                (until, since, *record_rows.columns(key), limit),
            ).fetchall()
        keys = [StreamKey(*row[1:4]) for row in rows]
        return [
            WrongRow(row[0], key, record_rows.read(key, row[4]))
            for row, key in zip(rows, keys, strict=True)
        ]

    def set_text(self, name: str, text: str) -> None:
        """Store the text under this name, in place of an earlier one."""
        with self._writing() as db:
            db.execute("REPLACE INTO note VALUES (?,?)", (name, text))

    def get_text(self, name: str) -> str | None:
        """Return the text that `set_text` stored under this name; None if there is none."""
        with self._reading() as db:
            row = db.execute("SELECT text FROM note WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def now(self) -> int:
        return self._clock()

    def durability(self) -> Durability:
        """Return the settings that decide how safely data is kept."""
        with self._reading() as db:
            pragmas = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in SAFETY}
        return Durability("sqlite", {name: str(value) for name, value in pragmas.items()})

    def size(self) -> Size:
        """Return how full the file is. Its limit is the size that SQLite allows, or as much as the
        disk has room for."""
        with self._reading() as db:
            samples = dict(db.execute("SELECT at, used FROM size").fetchall())
            used, room = _used(db), _room(db, self._path)
        return Size(used, used + room, growth(samples, used, self._clock()))

    @_even_if_full
    def note_size(self) -> None:
        """Store today's size, unless it is stored already. `size` computes the growth from these
        sizes."""
        with self._writing() as db:
            now = self._clock()
            row = (now // DAY_MS, now, _used(db))
            db.execute("INSERT OR IGNORE INTO size VALUES (?,?,?)", row)
            db.execute("DELETE FROM size WHERE day <= ?", ((now - SAMPLES_MS) // DAY_MS,))

    def queue(self) -> Queue:
        now = self._clock()
        with self._reading() as db:
            depth, oldest = db.execute(
                "SELECT count(*), min(due_at) FROM record WHERE due_at <= ?", (now,)
            ).fetchone()
        return Queue(depth, now - oldest if depth else 0)

    def listed(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamRecord | Unreadable]:
        """Return up to `limit` of the records that fit `wanted`, ordered by key, beginning after
        the key `after`. A record that is added on an earlier page does not move a later page."""
        terms, values = record_rows.terms(wanted, after)
        with self._reading() as db:
            rows = db.execute(
                f"SELECT domain, app, stream, document FROM record WHERE {terms}"  # noqa: S608 - terms of our own
                " ORDER BY domain, app, stream LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [record_rows.read(StreamKey(*row[:3]), row[3]) for row in rows]

    def named(self, wanted: Filter, *, after: StreamKey | None, limit: int) -> Sequence[StreamKey]:
        """Return up to `limit` keys of the records in the phase of `wanted`, ordered by key,
        beginning after the key `after`. No record is read."""
        assert wanted.phase is not None  # noqa: S101 - the only index that is paged
        with self._reading() as db:
            rows = db.execute(
                "SELECT domain, app, stream FROM record WHERE phase=?"
                " AND (domain, app, stream) > (?,?,?) ORDER BY domain, app, stream LIMIT ?",
                (
                    wanted.phase.value,
                    *(record_rows.columns(after) if after else ("", "", "")),
                    limit,
                ),
            ).fetchall()
        return [StreamKey(*row) for row in rows]

    def state(self) -> StoreState:
        """Return the state of the store itself: its id, when it was last touched, and how long its
        clock has been steady."""
        with self._reading() as db:
            return _state(db)

    def continuity(self) -> Continuity:
        """Return since when the store's clock has been steady, and whether the store has lost its
        data. Raise ForeignStore if the store belongs to another stage."""
        now = self._clock()
        return self.state().examined(self._store_id, now).continuity(self._store_id, now)

    def accept(self, *, replaces: str) -> StoreState:
        """Write this stage's id into the store, if the store has no id or the id `replaces`.
        Otherwise change nothing. Return the state of the store after this."""
        with self._writing() as db:
            state = _state(db)
            if state.store_id in (None, self._store_id, replaces):
                state = replace(state, store_id=self._store_id)
                _put_state(db, state)
        return state

    def misplaced_after(self) -> str | None:
        """Return how far the repair of due entries has come: a phase and a stream (`misplaced`), or
        "" at its beginning. Return None if all due entries are in order."""
        with self._reading() as db:
            return _state(db).misplaced_after

    @_even_if_full
    def move_misplaced(self, before: str, after: str) -> None:
        """Store that the repair of due entries has come from `before` to `after`. If both are
        equal, all due entries are in order. If the store no longer holds `before`, do nothing."""
        with self._writing() as db:
            state = _state(db)
            if state.misplaced_after == before:
                _put_state(db, replace(state, misplaced_after=None if after == before else after))

    def phases(self) -> Mapping[Phase, int]:
        """Return the number of stream records in each phase. Phases without records, and those that
        this release does not know, are left out."""
        with self._reading() as db:
            rows = db.execute("SELECT phase, n FROM phase_count WHERE n > 0").fetchall()
        known = {phase.value: phase for phase in Phase}
        return {known[name]: int(count) for name, count in rows if name in known}

    def files(self, key: StreamKey, limit: int) -> Sequence[File]:
        """Return up to `limit` files of a stream, newest first."""
        with self._reading() as db:
            rows = db.execute(
                f"{record_rows.FILES} ORDER BY stop DESC, start DESC, uri DESC LIMIT ?",
                (*record_rows.columns(key), limit),
            ).fetchall()
        return list(map(record_rows.file_of, rows))

    def file(self, key: StreamKey, uri: str) -> File | None:
        """Return a file of a stream; None if it is unknown or was dropped."""
        with self._reading() as db:
            names = (*record_rows.columns(key), record_rows.stored_uri(db, key, uri))
            row = db.execute(f"{record_rows.FILES} AND uri=?", names).fetchone()
        return record_rows.file_of(row) if row else None

    @_even_if_full
    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]:
        """Take up to `limit` tasks of a queue that are due, the longest due first. For `lease_ms`
        nobody else gets them, and whoever took them earlier can no longer settle them."""
        with self._writing() as db:
            return task_rows.take(db, queue, self._clock(), limit=limit, lease_ms=lease_ms)

    @_even_if_full
    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
        """Store, in one step, what follows from the attempts at tasks that were taken: each task's
        next state, its file's verdict, and its new tasks. Return a value for each task. It is True
        if the task's results were stored, and False if nothing was, because the task was taken
        again or is gone."""
        with self._writing() as db:
            return [self._settle(db, task, each) for task, each in settled]

    def _settle(self, db: sqlite3.Connection, task: Task, settled: Settlement) -> bool:
        is_ours = task_rows.settle(db, task, settled, self._clock())
        if is_ours and settled.verdict:
            uri = record_rows.stored_uri(db, task.stream, settled.uri)
            db.execute(
                "UPDATE file SET verdict=? WHERE domain=? AND app=? AND stream=? AND uri=?",
                (verdict_to_text(settled.verdict), *record_rows.columns(task.stream), uri),
            )
        return is_ours

    def add_tasks(self, key: StreamKey, tasks: Sequence[NewTask]) -> int:
        """Add tasks of a stream without saving its record; return how many had no room."""
        with self._writing() as db:
            return task_rows.add(db, key, tasks, self._clock())

    def redrive(self, task_id: str) -> Redriven:
        """Make a dead letter an open task again, due now, with no attempt counted. Return whether
        that worked, or why not."""
        with self._writing() as db:
            return task_rows.redrive(db, task_id, self._clock())

    @_even_if_full
    def drop_dead_letters(self, keep_ms: int) -> int:
        """Drop dead letters older than `keep_ms`, at most OLD_ROWS at a time; return how many."""
        with self._writing() as db:
            return task_rows.drop_old(db, self._clock() - keep_ms, record_rows.OLD_ROWS)

    def open_tasks(self, *, after: str, limit: int) -> Sequence[Placed]:
        """Return up to `limit` open tasks, ordered by stream, beginning after the place `after`
        (`Placed.place`; "" for the first page)."""
        with self._reading() as db:
            return task_rows.open_page(db, after, limit)

    def dead_letters(self, *, after: str, limit: int) -> Sequence[Placed]:
        """Return up to `limit` dead letters, oldest first, beginning after the place `after`
        (`Placed.place`; "" for the first page)."""
        with self._reading() as db:
            return task_rows.dead_page(db, after, limit)

    def open_of_kind(self, kind: str, *, limit: int) -> Sequence[Task]:
        """Return up to `limit` open tasks of a kind; the task with the latest due time comes first.
        Each failed attempt delays a task further, so the first ones were tried most often."""
        with self._reading() as db:
            return task_rows.open_of_kind(db, kind, limit)

    def alerts(self) -> AlertsCopy:
        """Return the alert book; version 0 and no text if none is stored yet."""
        with self._reading() as db:
            row = db.execute("SELECT version, document FROM alert_book").fetchone()
        return AlertsCopy(*row) if row else AlertsCopy()

    @_even_if_full
    def put_alerts(self, text: str, *, replaces: int, tasks: Sequence[NewTask] = ()) -> int | None:
        """Store the next version of the alert book, and in the same step the tasks that result from
        it. Return how many of the tasks had no room. If the stored version is not `replaces`, store
        nothing and return None. Even a full file stores the book, because the book does not grow
        beyond one or two megabytes.
        """
        with self._writing() as db:
            row = db.execute("SELECT version FROM alert_book").fetchone() or (0,)
            if row[0] != replaces:
                return None
            db.execute("REPLACE INTO alert_book VALUES (1,?,?)", (replaces + 1, text))
            return task_rows.add(db, OF_STAGE, tasks, self._clock())

    def outbox(self) -> OutboxState:
        """Return the number and size of the open tasks and of the dead letters."""
        with self._reading() as db:
            return task_rows.state(db, self._clock())

    def edges(self, key: StreamKey) -> Sequence[Edge]:
        """Return a stream's ledger: the changes of its state (edges), in the order in which they
        were noted."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT edge FROM ledger WHERE domain=? AND app=? AND stream=? ORDER BY id",
                record_rows.columns(key),
            ).fetchall()
        return [edge for row in rows if (edge := edge_from_text(row[0]))]

    def accounts(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamKey]:
        """Return up to `limit` streams that have a ledger, ordered by key, beginning after the key
        `after`. The phase in `wanted` is ignored, because a forgotten stream has a ledger and no
        phase."""
        terms, values = record_rows.terms(replace(wanted, phase=None), after)
        with self._reading() as db:
            rows = db.execute(
                f"SELECT DISTINCT domain, app, stream FROM ledger WHERE {terms}"  # noqa: S608 - terms of our own
                " ORDER BY domain, app, stream LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [StreamKey(*row) for row in rows]

    def history(self, key: StreamKey, limit: int) -> Sequence[HistoryLine]:
        """Return up to `limit` lines of a stream's history, newest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT code, about, at, last_at, count FROM history"
                " WHERE domain=? AND app=? AND stream=? ORDER BY id DESC LIMIT ?",
                (*record_rows.columns(key), limit),
            ).fetchall()
        return [HistoryLine(entry_from_json(row[0], row[1]), *row[2:]) for row in rows]

    def count(self, counts: Mapping[str, int]) -> None:
        """Add these numbers to the stage's counters. A save does the same with its `counts`."""
        with self._writing() as db:
            record_rows.add_counts(db, counts)

    def counters(self) -> Mapping[str, int]:
        """Return the stage's counters by name, counted since the store was made."""
        with self._reading() as db:
            return dict(db.execute("SELECT name, n FROM counter").fetchall())

    @_even_if_full
    def touch(self, name: str) -> None:
        """Set the timestamp of this name to now."""
        with self._writing() as db:
            db.execute("REPLACE INTO timestamp VALUES (?, ?)", (name, self._clock()))

    def age_ms(self, name: str) -> int | None:
        """Return how many ms ago the timestamp of this name was set; None if it never was. If the
        clock was set back, the timestamp may lie ahead; it is then set to now."""
        with self._reading() as db:
            row = db.execute("SELECT at FROM timestamp WHERE name=?", (name,)).fetchone()
        age = self._clock() - row[0] if row else None
        if age is not None and age < 0:
            self.touch(name)
            return 0
        return age

    def ages(self) -> Mapping[str, int]:
        """Return how many ms ago each timestamp was set, by the timestamp's name."""
        with self._reading() as db:
            rows = db.execute("SELECT name, at FROM timestamp").fetchall()
        now = self._clock()
        return {name: max(now - at, 0) for name, at in rows}

    def try_write(self, name: str) -> bool:
        """Set the timestamp of this name to now, and return True. Return False at once if another
        writer is at work. Raise StoreFull if the file is full."""
        with self._reading() as db:
            db.execute("PRAGMA busy_timeout=0")
            try:
                db.execute("REPLACE INTO timestamp VALUES (?, ?)", (name, self._clock()))
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                return False
            finally:
                db.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
        return True

    def put_policy(self, text: str, *, replaces: int) -> PolicyCopy | None:
        """Store the policy as version `replaces` + 1, and return it. If the newest version is not
        `replaces` (0 if there is none yet), store nothing and return None."""
        with self._writing() as db:
            (newest,) = db.execute("SELECT coalesce(max(version), 0) FROM policy").fetchone()
            if newest != replaces:
                return None
            copy = PolicyCopy(replaces + 1, text, self._clock())
            db.execute("INSERT INTO policy VALUES (?,?,?)", (copy.version, text, copy.at))
        return copy

    def get_policy(self) -> PolicyCopy | None:
        """Return the newest version of the policy; None if there is none."""
        return self.in_force().policy

    def in_force(self) -> InForce:
        """Return the newest policy, and the temporary rules of each schedule that has some."""
        with self._reading() as db:
            row = db.execute(
                "SELECT version, document, at FROM policy ORDER BY version DESC LIMIT 1"
            ).fetchone()
            temporary = db.execute("SELECT name, document FROM temporary_rules").fetchall()
        return InForce(PolicyCopy(*row) if row else None, dict(temporary))

    def add_token(self, name: str, text: str) -> bool:
        """Store an API token's document under its name; return False if the name is taken."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO token VALUES (?,?)", (name, text))
            (found,) = db.execute("SELECT document FROM token WHERE name=?", (name,)).fetchone()
        return bool(found == text)

    @_even_if_full
    def remove_token(self, name: str) -> bool:
        """Delete an API token, even if the file is full. Return False if there is none with that
        name."""
        with self._writing() as db:
            return db.execute("DELETE FROM token WHERE name=?", (name,)).rowcount > 0

    def tokens(self) -> Mapping[str, str]:
        """Return the document of each API token, by the token's name. Raise ForeignStore if the
        store belongs to another stage."""
        with self._reading() as db:
            found = dict(db.execute("SELECT name, document FROM token ORDER BY name").fetchall())
            _state(db).continuity(self._store_id, 0)
        return found

    def put_schedule(
        self, name: str, text: str, due_at: int | None, *, replaces: str | None, rules: str = ""
    ) -> bool:
        """Store a schedule's document, the time at which it is due (None for never), and its
        temporary rules ("" for none). If the stored document is not `replaces` (None if there is
        none yet), store nothing and return False."""
        with self._writing() as db:
            if _schedule(db, name) != replaces:
                return False
            db.execute("REPLACE INTO schedule VALUES (?,?,?)", (name, text, due_at))
            if rules:
                db.execute("REPLACE INTO temporary_rules VALUES (?,?)", (name, rules))
            else:
                db.execute("DELETE FROM temporary_rules WHERE name=?", (name,))
        return True

    @_even_if_full
    def remove_schedule(self, name: str, *, replaces: str) -> bool:
        """Delete a schedule, even if the file is full. If its stored document is not `replaces`, do
        nothing and return False."""
        with self._writing() as db:
            found = _schedule(db, name) == replaces
            if found:
                db.execute("DELETE FROM schedule WHERE name=?", (name,))
                db.execute("DELETE FROM temporary_rules WHERE name=?", (name,))
        return found

    def get_schedule(self, name: str) -> str | None:
        """Return the document of a schedule; None if there is none."""
        with self._reading() as db:
            return _schedule(db, name)

    def schedules(self) -> Mapping[str, str]:
        """Return the document of each schedule, by the schedule's name."""
        with self._reading() as db:
            return dict(db.execute("SELECT name, document FROM schedule ORDER BY name").fetchall())

    def due_schedules(self, limit: int) -> Mapping[str, str]:
        """Return the documents of up to `limit` schedules that are due, by name, the longest due
        first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT name, document FROM schedule WHERE due_at <= ? ORDER BY due_at LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._open()
        except sqlite3.Error as error:
            kind = StoreFull if FULL in str(error) else StoreUnavailable
            raise kind(f"{self._path}: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside one transaction: all of it is stored, or nothing."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:  # a full file has ended it already
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _make_room(self) -> None:
        """Free pages for a write into a full file: drop the oldest lines of history of any stream.
        SQLite uses free pages before it asks for more."""
        with self._writing() as db:
            db.execute(
                "DELETE FROM history WHERE id IN (SELECT id FROM history ORDER BY id LIMIT ?)",
                (ROOM_ROWS,),
            )

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            db = sqlite3.connect(
                self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            _switch_to_wal(db)
            db.execute("PRAGMA synchronous=NORMAL")
            create(db)
            self._connection = db
        return self._connection


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Switch the file to its write-ahead log; try for BUSY_S. While another process switches it,
    SQLite fails at once, whatever the connection's timeout."""
    for _ in range(int(BUSY_S / SWITCH_PAUSE_S)):
        if _has_switched(db):
            return
        retry.wait(SWITCH_PAUSE_S)
    raise sqlite3.OperationalError("the file is locked by another process")


def _has_switched(db: sqlite3.Connection) -> bool:
    try:
        db.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


def _schedule(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT document FROM schedule WHERE name=?", (name,)).fetchone()
    return row[0] if row else None


def _state(db: sqlite3.Connection) -> StoreState:
    row = db.execute(
        "SELECT seen, steady_since, gap_from, misplaced_after, store_id, emptied_at FROM store"
    ).fetchone()
    return StoreState(*row) if row else StoreState()


def _put_state(db: sqlite3.Connection, state: StoreState) -> None:
    db.execute(
        "REPLACE INTO store"
        " (id, seen, steady_since, gap_from, misplaced_after, store_id, emptied_at)"
        " VALUES (1,?,?,?,?,?,?)",
        astuple(state),
    )


def _lease_end(now: int) -> int:
    """Return the latest time at which the lease of a worker that registers now ends."""
    return now + MAX_WORKER_LEASE_MS


def _used(db: sqlite3.Connection) -> int:
    return (_pragma(db, "page_count") - _pragma(db, "freelist_count")) * _pragma(db, "page_size")


def _room(db: sqlite3.Connection, path: str) -> int:
    """Return how many more bytes can be stored: in free pages, and in new pages as far as the
    file's limit and the disk allow."""
    from shutil import disk_usage

    new_pages = _pragma(db, "max_page_count") - _pragma(db, "page_count")
    page_bytes = _pragma(db, "page_size")
    on_disk = disk_usage(Path(path).parent).free
    return min(new_pages * page_bytes, on_disk) + _pragma(db, "freelist_count") * page_bytes


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])

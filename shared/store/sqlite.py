"""The embedded store for one machine: one SQLite file, any number of processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shared.domain.because import Note
from shared.domain.record import Recording, due_at, phase, rank
from shared.domain.storing import Claimed, Conflict, Entry, Loaded, Queue, Save, Saved, Stored
from shared.domain.stream import StreamKey
from shared.errors import StoreUnavailable
from shared.store.codec import from_json, note_from_json, note_to_json, to_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    version INTEGER NOT NULL, document TEXT NOT NULL, phase TEXT NOT NULL,
    due_at INTEGER, rank INTEGER NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (domain, app, stream)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_due ON record (due_at, rank, since) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY, domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    code TEXT NOT NULL, about TEXT NOT NULL,
    at INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS history_stream ON history (domain, app, stream, id);
CREATE TABLE IF NOT EXISTS lane (name TEXT PRIMARY KEY, free_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""
BUSY = 2.0
"""s that a writer waits for another before it gives up."""
COMMANDS = "commands"


class SqliteStore:
    """`rate` is the lane's, a second; `clock` gives ms, and is the clock of the whole store."""

    def __init__(self, path: str, *, rate: float, clock: Callable[[], int]) -> None:
        self._path = path
        self._interval = 1000 / rate
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def load(self, key: StreamKey) -> Loaded:
        with self._reading() as db:
            row = db.execute(
                "SELECT version, document FROM record WHERE domain=? AND app=? AND stream=?",
                _columns(key),
            ).fetchone()
        now = self._clock()
        if row is None:
            return Loaded(Recording(key), 0, now)
        return Loaded(from_json(key, row[1]), row[0], now)

    def save_or_claim(self, save: Save) -> Saved:
        with self._writing() as db:
            now = self._clock()
            if _version(db, save.key) != save.version:
                return Conflict()
            slot = self._take_slot(db, now, save.wait) if save.flying else None
            record = save.queued
            if slot is not None and save.flying:
                record = _complete(save.flying, slot, save.lease)
            _put(db, record, save.version + 1)
            for note in save.notes:
                _append(db, save.key, note, now)
        if slot is None:
            return Stored(save.version + 1)
        return Claimed(save.version + 1, record, max(slot - now, 0))

    def _take_slot(self, db: sqlite3.Connection, now: int, wait: int) -> float | None:
        """GCRA with a burst of one: the next free slot, unless it is more than `wait` ms away."""
        row = db.execute("SELECT free_at FROM lane WHERE name=?", (COMMANDS,)).fetchone()
        slot = max(float(now), row[0] if row else 0.0)
        if slot - now > wait:
            return None
        db.execute("REPLACE INTO lane VALUES (?, ?)", (COMMANDS, slot + self._interval))
        return slot

    def due(self, limit: int) -> Sequence[StreamKey]:
        """Stops before restarts before starts, then whoever has waited longest."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT domain, app, stream FROM record WHERE due_at <= ?"
                " ORDER BY rank, since LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        return [StreamKey(*row) for row in rows]

    def next_due(self) -> int | None:
        with self._reading() as db:
            (at,) = db.execute("SELECT min(due_at) FROM record").fetchone()
        return None if at is None else max(int(at) - self._clock(), 0)

    def queue(self) -> Queue:
        now = self._clock()
        with self._reading() as db:
            depth, oldest = db.execute(
                "SELECT count(*), min(due_at) FROM record WHERE due_at <= ?", (now,)
            ).fetchone()
        return Queue(depth, now - oldest if depth else 0)

    def history(self, key: StreamKey, limit: int) -> Sequence[Entry]:
        """Newest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT code, about, at, last_at, count FROM history"
                " WHERE domain=? AND app=? AND stream=? ORDER BY id DESC LIMIT ?",
                (*_columns(key), limit),
            ).fetchall()
        return [Entry(note_from_json(row[0], row[1]), *row[2:]) for row in rows]

    def mark(self, name: str) -> None:
        """Remember that this happened now."""
        with self._writing() as db:
            db.execute("REPLACE INTO mark VALUES (?, ?)", (name, self._clock()))

    def marked(self, name: str) -> int | None:
        """How many ms ago that was last marked."""
        with self._reading() as db:
            row = db.execute("SELECT at FROM mark WHERE name=?", (name,)).fetchone()
        return self._clock() - row[0] if row else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._open()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all of it or nothing."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            db = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(SCHEMA)
            self._connection = db
        return self._connection


def _columns(key: StreamKey) -> tuple[str, str, str]:
    return (key.domain, key.app, key.stream)


def _version(db: sqlite3.Connection, key: StreamKey) -> int:
    row = db.execute(
        "SELECT version FROM record WHERE domain=? AND app=? AND stream=?", _columns(key)
    ).fetchone()
    return int(row[0]) if row else 0


def _complete(flying: Recording, slot: float, lease: int) -> Recording:
    """The slot and the lease are the store's to give."""
    if flying.flight is None:
        raise ValueError("a record that flies has a flight")
    sent_at = round(slot)
    return replace(
        flying, flight=replace(flying.flight, sent_at=sent_at, lease_until=sent_at + lease)
    )


def _put(db: sqlite3.Connection, record: Recording, version: int) -> None:
    since = record.owed.since if record.owed else 0
    db.execute(
        "REPLACE INTO record VALUES (?,?,?,?,?,?,?,?,?)",
        (
            *_columns(record.key),
            version,
            to_json(record),
            phase(record).value,
            due_at(record),
            rank(record),
            since,
        ),
    )


def _append(db: sqlite3.Connection, key: StreamKey, note: Note, now: int) -> None:
    """A note that repeats the newest one is counted, not written again."""
    about = note_to_json(note)
    last = db.execute(
        "SELECT id, code, about FROM history WHERE domain=? AND app=? AND stream=?"
        " ORDER BY id DESC LIMIT 1",
        _columns(key),
    ).fetchone()
    if last and last[1:] == (note.code.value, about):
        db.execute("UPDATE history SET count=count+1, last_at=? WHERE id=?", (now, last[0]))
    else:
        db.execute(
            "INSERT INTO history (domain, app, stream, code, about, at, last_at, count)"
            " VALUES (?,?,?,?,?,?,?,1)",
            (*_columns(key), note.code.value, about, now, now),
        )

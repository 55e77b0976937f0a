"""Reads and writes a stream's rows in the embedded store: record, history, ledger and files.

`sqlite` calls these functions within its transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from msgspec.structs import replace

from shared.ledger.edges import LEDGER_MAX_ENTRIES, Edge
from shared.outbox.task import NewTask
from shared.protocol.derived.phase import phase
from shared.protocol.derived.wrong import wrong_since
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store import command_queue
from shared.store.codec import (
    edge_to_text,
    entry_to_json,
    from_json,
    to_json,
    verdict_from_text,
)
from shared.store.contract import (
    HISTORY_MAX_ENTRIES,
    Claimed,
    Filter,
    Save,
    Stored,
    entries_of,
    entry_of,
)
from shared.store.save_request import push_args_of
from shared.store.store_errors import Unreadable


def columns(key: StreamKey) -> tuple[str, str, str]:
    """Return the values of the columns that identify a stream in every table."""
    return (key.domain, key.app, key.stream)


def terms(wanted: Filter, after: StreamKey | None) -> tuple[str, tuple[str, ...]]:
    """Return the conditions of a WHERE clause, and their values, for the records that fit the
    filter and whose key comes after `after`."""
    asked: list[tuple[str, str]] = [
        (f"{name}=?", value)
        for name, value in (
            ("phase", wanted.phase.value if wanted.phase else None),
            ("domain", wanted.domain),
            ("app", wanted.app),
        )
        if value is not None
    ]
    where = " AND ".join(["(domain, app, stream) > (?,?,?)", *(term for term, _ in asked)])
    return where, (*(columns(after) if after else ("", "", "")), *(value for _, value in asked))


def read(key: StreamKey, document: str) -> StreamRecord | Unreadable:
    """Parse a record from its document; return the error if it cannot be read."""
    try:
        return from_json(key, document)
    except Unreadable as error:
        return error


def set_aside(db: sqlite3.Connection, key: StreamKey) -> None:
    """Keep the present document, which cannot be read, next to the one that replaces it."""
    db.execute(
        "UPDATE record SET aside=document WHERE domain=? AND app=? AND stream=?", columns(key)
    )


def stored_version(db: sqlite3.Connection, key: StreamKey) -> tuple[int, str | None]:
    """Return the stored version (0 without a record), and the rule under which the stream counts
    against quotas (None if it does not count)."""
    row: tuple[int, str | None] | None = db.execute(
        "SELECT version, rule FROM record WHERE domain=? AND app=? AND stream=?", columns(key)
    ).fetchone()
    return row or (0, None)


def complete(record: StreamRecord, slot: float, lease: int) -> StreamRecord:
    """Return the record with its flight's slot and lease, which the store has given."""
    if record.flight is None:
        raise ValueError("the record has no command in flight")
    sent_at = round(slot)
    return replace(
        record, flight=replace(record.flight, sent_at=sent_at, lease_until=sent_at + lease)
    )


_KEPT = (
    *("version", "document", "phase", "watched", "wrong_at"),
    *("due_at", "in_line", "command_priority", "priority", "since", "rule", "waits", "ends_at"),
)
_PUT = (
    f"INSERT INTO record (domain, app, stream, {', '.join(_KEPT)})"  # noqa: S608 - names of our own
    f" VALUES (?,?,?{',?' * len(_KEPT)}) ON CONFLICT (domain, app, stream) DO UPDATE SET"
    f" {', '.join(f'{name}=excluded.{name}' for name in _KEPT)}"
)
"""An upsert. Unlike REPLACE, it rewrites only index entries that change."""


def put(db: sqlite3.Connection, record: StreamRecord, version: int, row: command_queue.Row) -> None:
    """Store a record with its version and its place in the queue."""
    shown = (phase(record), record.is_watched, wrong_since(record))
    kept = (version, to_json(record), *shown)
    db.execute(_PUT, (*columns(record.key), *kept, *row))


FORGOTTEN = "forgotten"
"""The name of the highest version of all deleted records, stored next to the quotas."""


def next_version(db: sqlite3.Connection, version: int, now: int) -> int:
    """Return the version under which to store a record whose stored version is `version` (0 if it
    is new).

    The result is higher than `version`; for a new record, it is higher than the version of every
    deleted record. So a stream that is forgotten and comes back gets no version twice. The result
    is also at least `now`. So no version is used twice after a file has been restored from a
    backup.
    """
    return max((version or command_queue.counter(db, FORGOTTEN)) + 1, now)


def forget(db: sqlite3.Connection, save: Save, rule: str | None, now: int) -> Stored:
    """Delete the record and all that is stored about its stream, except the ledger."""
    for table in ("record", "history", "file", "quarantine"):
        db.execute(
            f"DELETE FROM {table} WHERE domain=? AND app=? AND stream=?",  # noqa: S608 - names of our own
            columns(save.key),
        )
    command_queue.move(db, rule, None, save.quota, now)
    highest = max(command_queue.counter(db, FORGOTTEN), save.version)
    db.execute("REPLACE INTO taken VALUES (?,?)", (FORGOTTEN, highest))
    return Stored(0)


def new_lines(save: Save, saved: Stored | Claimed, known: Sequence[File]) -> Sequence[HistoryEntry]:
    """Return the save's new entries for the history, without those about the files in `known`,
    which were stored before."""
    entries = entries_of(save, saved)
    if not known:
        return entries
    lines_of_known = [entry_of(file) for file in known]
    return [entry for entry in entries if entry not in lines_of_known]


def new_tasks(tasks: Sequence[NewTask], known: Sequence[File]) -> Sequence[NewTask]:
    """Return the tasks to add, without those about the files in `known`, which were stored
    before."""
    uris = [file.uri for file in known]
    return [task for task in tasks if task.of_file not in uris]


def append_lines(
    db: sqlite3.Connection, save: Save, entries: Sequence[HistoryEntry], now: int
) -> None:
    """Append entries to the history. An entry that equals the newest one raises the count of the
    newest one instead."""
    if not entries:
        return
    key = columns(save.key)
    last = db.execute(
        "SELECT id, code, about FROM history WHERE domain=? AND app=? AND stream=?"
        " ORDER BY id DESC LIMIT 1",
        key,
    ).fetchone()
    for entry in entries:
        row = (entry.code, entry_to_json(entry))
        if last and last[1:] == row:
            db.execute("UPDATE history SET count=count+1, last_at=? WHERE id=?", (now, last[0]))
            continue
        written = db.execute(
            "INSERT INTO history (domain, app, stream, code, about, at, last_at, count)"
            " VALUES (?,?,?,?,?,?,?,1)",
            (*key, *row, now, now),
        )
        last = (written.lastrowid, *row)
    db.execute(
        "DELETE FROM history WHERE domain=? AND app=? AND stream=? AND id <="
        " (SELECT id FROM history WHERE domain=? AND app=? AND stream=?"
        " ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (*key, *key, HISTORY_MAX_ENTRIES),
    )
    _drop_old_lines(db, key, now - save.keep_ms)


OLD_ROWS = 20
"""One save drops at most this many edges that are too old, of any stream. It adds fewer. One step
drops as many dead letters at most."""


def add_edges(db: sqlite3.Connection, save: Save, edges: Sequence[Edge], now: int) -> None:
    """Add edges (the entries of a ledger: what happened, and when) to the stream's ledger. Also
    delete some edges that are too old. These may belong to any stream, even to one whose record has
    been deleted."""
    if not edges:
        return
    key = columns(save.key)
    db.executemany(
        "INSERT INTO ledger (domain, app, stream, edge, noted_at) VALUES (?,?,?,?,?)",
        [(*key, edge_to_text(edge), now) for edge in edges],
    )
    too_old = (now - save.keep_ledger_ms, OLD_ROWS)
    db.execute(_TRIM_LEDGER, (*too_old, *key, LEDGER_MAX_ENTRIES))


_TRIM_LEDGER = """
    DELETE FROM ledger WHERE id IN (
        SELECT id FROM (SELECT id FROM ledger WHERE noted_at < ? ORDER BY noted_at LIMIT ?)
        UNION ALL SELECT id FROM (
            SELECT id FROM ledger WHERE domain=? AND app=? AND stream=?
            ORDER BY id DESC LIMIT -1 OFFSET ?))
"""


def add_counts(db: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    """Add these numbers to the stage's counters."""
    db.executemany(
        "INSERT INTO counter VALUES (?,?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
        list(counts.items()),
    )


def _drop_old_lines(db: sqlite3.Connection, key: tuple[str, str, str], before: int) -> None:
    """Drop the lines whose last occurrence lies before a time. The oldest line shows whether there
    are any."""
    oldest = db.execute(
        "SELECT last_at FROM history WHERE domain=? AND app=? AND stream=? ORDER BY id LIMIT 1", key
    ).fetchone()
    if oldest is not None and oldest[0] < before:
        db.execute(
            "DELETE FROM history WHERE domain=? AND app=? AND stream=? AND last_at<?",
            (*key, before),
        )


_KEEP = """
    INSERT INTO file
    (domain, uri, app, stream, start, stop, stop_unknown, duration, push_args, stored_at)
    VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (domain, uri) DO UPDATE SET
    start=CASE WHEN excluded.start > 0 THEN excluded.start ELSE start END,
    stop=CASE WHEN excluded.stop_unknown AND NOT (stop_unknown AND excluded.start > 0) THEN stop
        ELSE excluded.stop END,
    stop_unknown=stop_unknown AND excluded.stop_unknown,
    duration=coalesce(excluded.duration, duration),
    push_args=coalesce(excluded.push_args, push_args)
"""
"""`File.later` in SQL: a value in a later report replaces the old one."""
FILES = (
    "SELECT uri, nullif(start, 0), CASE WHEN stop_unknown THEN NULL ELSE stop END, duration,"
    " coalesce(push_args, '-'), verdict FROM file WHERE domain=? AND app=? AND stream=?"
)
_FileRow = tuple[str, int | None, int | None, int | None, str, str | None]


def file_of(row: _FileRow) -> File:
    uri, start, stop, duration, args, verdict = row
    name = uri.partition("\0")[0]
    return File(name, start, stop, duration, push_args_of(args), verdict_from_text(verdict))


_NAME_TAKEN = """
    SELECT 1 FROM file WHERE domain=:domain
    AND (uri=:own OR uri=:uri AND (app, stream)<>(:app, :stream))
"""


def stored_uri(db: sqlite3.Connection, key: StreamKey, uri: str) -> str:
    """Return the name under which the file table keeps the file `uri` of the stream. The name is
    the uri, unless the file was first reported for another stream of the domain. Then it is the
    uri, a NUL, and this stream, because each name occurs once in a domain."""
    own = _own_uri(key, uri)
    names = {"domain": key.domain, "uri": uri, "own": own, "app": key.app, "stream": key.stream}
    return own if db.execute(_NAME_TAKEN, names).fetchone() else uri


def _own_uri(key: StreamKey, uri: str) -> str:
    return f"{uri}\0{key.app}/{key.stream}"


def is_known(db: sqlite3.Connection, key: StreamKey, uri: str) -> bool:
    """Return True if the file is stored for this stream, under either name that `stored_uri` may
    give it."""
    of_stream = "domain=? AND app=? AND stream=?"
    found = db.execute(
        f"SELECT 1 FROM file WHERE {of_stream} AND uri IN (?,?)",  # noqa: S608 - text of our own
        (*columns(key), uri, _own_uri(key, uri)),
    )
    return found.fetchone() is not None


def keep_files(db: sqlite3.Connection, save: Save, now: int) -> None:
    """Store the files of a save, and drop the stream's files that were stored more than `keep_ms`
    ago. If an earlier release stored a file, it counts as stored now. A file is listed at the time
    of its end; if its end is unknown, at its beginning, or else at the time of its report."""
    if not save.files:
        return
    domain, app, stream = columns(save.key)
    for file in save.files:
        stop = file.stop or file.start or now
        times = (file.start or 0, stop, file.stop is None, file.duration)
        named = (domain, stored_uri(db, save.key, file.uri), app, stream)
        db.execute(_KEEP, (*named, *times, urlencode(file.push_args) or None, now))
    of_stream = "domain=? AND app=? AND stream=?"
    db.execute(
        f"UPDATE file SET stored_at=? WHERE {of_stream} AND stored_at IS NULL",  # noqa: S608 - text of our own
        (now, domain, app, stream),
    )
    db.execute(
        f"DELETE FROM file WHERE {of_stream} AND stored_at < ?",  # noqa: S608 - as above
        (domain, app, stream, now - save.keep_ms),
    )

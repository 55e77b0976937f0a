"""The tables of the embedded store."""

from __future__ import annotations

import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    version INTEGER NOT NULL, document TEXT NOT NULL, phase TEXT NOT NULL,
    watched INTEGER NOT NULL,
    due_at INTEGER, in_line INTEGER NOT NULL,
    command_priority INTEGER NOT NULL, priority INTEGER NOT NULL,
    since INTEGER NOT NULL, rule TEXT, waits TEXT NOT NULL, ends_at INTEGER, aside TEXT,
    wrong_at INTEGER,
    PRIMARY KEY (domain, app, stream)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_due ON record (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_later ON record (due_at) WHERE NOT in_line;
CREATE INDEX IF NOT EXISTS record_line ON record (command_priority, priority DESC, since)
    WHERE in_line;
CREATE INDEX IF NOT EXISTS record_waits ON record (waits, -priority, since) WHERE waits <> '';
CREATE INDEX IF NOT EXISTS record_watched ON record (domain) WHERE watched;
CREATE INDEX IF NOT EXISTS record_phase ON record (phase, domain, app, stream);
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY, domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    code TEXT NOT NULL, about TEXT NOT NULL,
    at INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS history_stream ON history (domain, app, stream, id);
CREATE TABLE IF NOT EXISTS file (
    domain TEXT NOT NULL, uri TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, duration INTEGER, stored_at INTEGER,
    stop_unknown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, uri)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_stream ON file (domain, app, stream, stop, start);
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY, domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    edge TEXT NOT NULL, noted_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_stream ON ledger (domain, app, stream, id);
CREATE INDEX IF NOT EXISTS ledger_age ON ledger (noted_at);
CREATE TABLE IF NOT EXISTS rate_limit (
    name TEXT PRIMARY KEY, free_at REAL NOT NULL,
    minute INTEGER NOT NULL, used INTEGER NOT NULL, before INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS taken (scope TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS worker (
    name TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS policy (
    version INTEGER PRIMARY KEY, document TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS token (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS schedule (
    name TEXT PRIMARY KEY, document TEXT NOT NULL, due_at INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS temporary_rules (
    name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store (
    id INTEGER PRIMARY KEY CHECK (id = 1), seen INTEGER, steady_since INTEGER NOT NULL,
    gap_from INTEGER NOT NULL, misplaced_after TEXT, store_id TEXT, emptied_at INTEGER);
CREATE TABLE IF NOT EXISTS quarantine (
    domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL, crashes INTEGER NOT NULL,
    PRIMARY KEY (domain, app, stream)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS size (
    day INTEGER PRIMARY KEY, at INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS signed (
    second INTEGER NOT NULL, domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    PRIMARY KEY (second, domain, app, stream)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL,
    domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL, body TEXT NOT NULL,
    made_at INTEGER NOT NULL, due_at INTEGER NOT NULL, attempts INTEGER NOT NULL,
    version INTEGER NOT NULL, why TEXT NOT NULL, size INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_due ON task (kind, due_at);
CREATE INDEX IF NOT EXISTS task_stream ON task (domain, app, stream, id);
CREATE TABLE IF NOT EXISTS dead_task (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL,
    domain TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL, body TEXT NOT NULL,
    made_at INTEGER NOT NULL, due_at INTEGER NOT NULL, attempts INTEGER NOT NULL,
    version INTEGER NOT NULL, why TEXT NOT NULL, size INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dead_task_age ON dead_task (due_at, id);
CREATE TABLE IF NOT EXISTS phase_count (phase TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert_book (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timestamp (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""


def create(db: sqlite3.Connection) -> None:
    """Create the tables, columns, indexes and triggers that do not exist yet. If an earlier release
    made the file, also count its records by phase."""
    db.executescript(SCHEMA)
    _widen(db)
    db.execute(LATER_INDEX)
    if not _counts_phases(db):
        _count_phases(db)


COUNTED = "phase_counted"
"""The trigger whose presence shows that all triggers exist."""
TRIGGERS = (
    """
CREATE TRIGGER phase_counted AFTER INSERT ON record BEGIN
    INSERT INTO phase_count VALUES (NEW.phase, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END
""",
    """
CREATE TRIGGER phase_left AFTER DELETE ON record BEGIN
    UPDATE phase_count SET n = n - 1 WHERE phase = OLD.phase;
END
""",
    """
CREATE TRIGGER phase_changed AFTER UPDATE OF phase ON record WHEN NEW.phase <> OLD.phase BEGIN
    UPDATE phase_count SET n = n - 1 WHERE phase = OLD.phase;
    INSERT INTO phase_count VALUES (NEW.phase, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END
""",
)
"""Triggers that count records by phase, whichever release writes. Counting at each request would
cost more with every stream."""


def _counts_phases(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name=?", (COUNTED,)).fetchone() is not None


def _count_phases(db: sqlite3.Connection) -> None:
    """Count the records of an earlier release's file; the triggers count from there. Another
    process may do the same at the same time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if not _counts_phases(db):
            db.execute("DELETE FROM phase_count")
            db.execute("INSERT INTO phase_count SELECT phase, count(*) FROM record GROUP BY phase")
            for trigger in TRIGGERS:
                db.execute(trigger)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


LATER_COLUMNS = (
    ("file", "duration INTEGER"),
    ("file", "stop_unknown INTEGER NOT NULL DEFAULT 0"),
    ("file", "stored_at INTEGER"),
    ("file", "push_args TEXT"),
    ("file", "verdict TEXT"),
    ("record", "ends_at INTEGER"),
    ("record", "aside TEXT"),
    ("record", "wrong_at INTEGER"),
    ("task", "sequence INTEGER NOT NULL DEFAULT 0"),
    ("dead_task", "sequence INTEGER NOT NULL DEFAULT 0"),
)
LATER_INDEX = """
CREATE INDEX IF NOT EXISTS record_wrong ON record (wrong_at, domain, app, stream)
    WHERE wrong_at IS NOT NULL
"""
"""An index on a column that an earlier release's file gets only in `_widen`."""


def _widen(db: sqlite3.Connection) -> None:
    """Add the columns that an earlier release's file lacks. Another process may do the same at the
    same time."""
    for table, column in LATER_COLUMNS:
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        if column.partition(" ")[0] not in columns:
            _add_column(db, table, column)


def _add_column(db: sqlite3.Connection, table: str, column: str) -> None:
    try:
        db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):
            raise

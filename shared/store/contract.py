"""The requests, results and limits that both kinds of store share: Redis and SQLite.

The recorder and the functions use them. Times are in ms, by the store's own clock. The module knows
no database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from shared.ledger.edges import KEEP_LEDGER_MS, Edge
from shared.outbox.task import NewTask, Task
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.phase import Phase
from shared.protocol.durations import doubled
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.command import MAX_SLOT_WAIT_MS
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState
from shared.protocol.stream import StreamKey
from shared.store.store_errors import Unreadable

KEEP_MS = 30 * 24 * 3_600_000
"""ms for which a line of history and a file are kept by default."""
DAY_MS = 86_400_000
SAMPLES_MS = 8 * DAY_MS
"""ms for which samples of an engine's size are kept, one a day."""
LEAST_KEEP_MS = 8 * 24 * 3_600_000
"""ms for which lines of history and files are kept at least. Live lists an undelivered callback for
seven days (docs/platform/live.md §7), and its file must still be known then."""


class Loaded(Struct, frozen=True):
    """A stored record. For an unknown stream, `version` is 0 and `record` is empty. `now` is the
    store's time.

    Each write raises the version, to at least the time of the write in ms. So a store that has lost
    its last writes never gives their versions to other writes.
    """

    record: StreamRecord
    version: int
    now: int
    continuity: Continuity = UNBROKEN
    sets_aside: bool = False  # `record` stands for one that cannot be read


class Save(Struct, frozen=True):
    """One write of a record. If the stored version is still `version`, the store replaces the
    record: by `if_slot` if the rate limit has a slot within `slot_wait_ms`, else by `if_no_slot`.
    The lease of a flight lasts `lease_ms` from its slot.

    `files` are stored once for each uri, however often Live reports them. If callbacks of two
    streams name the same file, both streams list the file. A file that was known before adds no
    line of history. Lines of history and files older than `keep_ms` are dropped.

    A blank record is deleted, with everything stored about its stream except the ledger. But while
    a task of the stream is open, the record is kept. `edges` are added to the ledger, even with a
    blank record, and dropped after `keep_ledger_ms`. `tasks` are added to the outbox.

    If `must_fit` is True, even a full engine stores the record, but then without lines of history,
    files, edges and tasks; these tasks count as dropped. `counts` maps names of the stage's
    counters to the numbers that are added to them if this save is stored.

    If `if_no_quota` is given, the flight must also fit into the quota. It fits if its stream counts
    against the quota already, or if the quota has room that no more urgent streams wait for. If it
    does not fit, the store saves `if_no_quota` instead, and adds `edges_over_quota` and
    `tasks_over_quota` in place of `edges` and `tasks`.

    If `decided_at` is more than STEP_MS ahead of the store's clock, the save is a conflict: the
    clock was set back, and the times in the record would lie ahead too.

    If `sets_aside` is True, the stored document could not be read. The store keeps it next to the
    new one.
    """

    version: int
    if_no_slot: StreamRecord
    if_slot: StreamRecord | None = None
    entries: tuple[HistoryEntry, ...] = ()
    slot_wait_ms: int = 0
    lease_ms: int = 0
    files: tuple[File, ...] = ()
    quota: ConcurrencyQuota = ConcurrencyQuota()
    if_no_quota: StreamRecord | None = None
    sets_aside: bool = False
    decided_at: int = 0
    keep_ms: int = KEEP_MS
    must_fit: bool = False
    edges: tuple[Edge, ...] = ()
    edges_over_quota: tuple[Edge, ...] = ()
    keep_ledger_ms: int = KEEP_LEDGER_MS
    tasks: tuple[NewTask, ...] = ()
    tasks_over_quota: tuple[NewTask, ...] = ()
    counts: Mapping[str, int] = {}

    @property
    def key(self) -> StreamKey:
        return self.if_no_slot.key


class Stored(Struct, frozen=True):
    """The store now holds `if_no_slot`; or, if `over_quota` is True, `if_no_quota`. If the next
    slot was too far away to wait for, it comes in `next_slot_in_ms`; otherwise this number is 0.
    `dropped_tasks` is how many tasks had no room."""

    version: int
    over_quota: bool = False
    next_slot_in_ms: float = 0.0
    dropped_tasks: int = 0


class Claimed(Struct, frozen=True):
    """The store now holds `record`, whose flight has its slot and its lease. The slot comes in
    `slot_in` ms. `dropped_tasks` is how many tasks had no room."""

    version: int
    record: StreamRecord
    slot_in: float
    dropped_tasks: int = 0


class Conflict(Struct, frozen=True):
    """Another writer saved first, or the store's clock was set back. Nothing was stored: load the
    record and decide again."""


class NotForgotten(Struct, frozen=True):
    """The store kept a stream that the save would have deleted, because one of its tasks is open.
    Nothing was stored."""


Saved: TypeAlias = Stored | Claimed | Conflict | NotForgotten


def entries_of(save: Save, saved: Stored | Claimed) -> tuple[HistoryEntry, ...]:
    """Return the history entries that belong to the outcome of a save. The store has not added
    those about files that it knew before."""
    over_quota = isinstance(saved, Stored) and saved.over_quota
    return (*save.entries, HistoryEntry(Reason.NO_QUOTA)) if over_quota else save.entries


def entry_of(file: File) -> HistoryEntry:
    """Return the entry that the first report of a file adds to the history."""
    return HistoryEntry(Reason.FILE, {"uri": file.uri})


def edges_of(save: Save, saved: Stored | Claimed) -> tuple[Edge, ...]:
    """Return the edges that a save added to the ledger."""
    over_quota = isinstance(saved, Stored) and saved.over_quota
    return save.edges_over_quota if over_quota else save.edges


def tasks_of(save: Save, saved: Stored | Claimed) -> tuple[NewTask, ...]:
    """Return the tasks that belong to the outcome of a save. The store has not added those about
    files that it knew before, those that are open already, and those for which it has no room."""
    over_quota = isinstance(saved, Stored) and saved.over_quota
    return save.tasks_over_quota if over_quota else save.tasks


class Placed(Struct, frozen=True):
    """A task in a list of tasks. `place` is a text by which the list is sorted; the next page
    begins after it."""

    place: str
    task: Task

    @classmethod
    def open(cls, task: Task) -> Placed:
        """Return an open task with its place. Open tasks are sorted by stream, then by id."""
        key = task.stream
        return cls(f"{key.domain}\0{key.app}\0{key.stream}\0{task.id}", task)

    @classmethod
    def dead(cls, task: Task) -> Placed:
        """Return a dead letter with its place. Dead letters are sorted by the time at which they
        failed for good, the oldest first."""
        return cls(f"{task.due_at:0{PLACE_CHARS}d}{task.id}", task)

    @staticmethod
    def of_dead(place: str) -> tuple[int, str]:
        """Parse the place of a dead letter: return its time and its id. "" is a place before all
        others."""
        at = place[:PLACE_CHARS]
        return (int(at) if at.isdecimal() else -1), place[PLACE_CHARS:]


PLACE_CHARS = 14
"""How many characters of a place among dead letters hold its time."""


class HistoryLine(Struct, frozen=True):
    """One line of history. The event occurred `count` times in a row, last at `last_at`."""

    entry: HistoryEntry
    at: int
    last_at: int
    count: int


class Filter(Struct, frozen=True):
    """Which records to list: those in this phase, domain and application. A field that is None
    admits all."""

    phase: Phase | None = None
    domain: str | None = None
    app: str | None = None

    def fits(self, key: StreamKey) -> bool:
        """Return True if the stream is in the domain and the application."""
        return self.domain in (None, key.domain) and self.app in (None, key.app)


class Watched(Struct, frozen=True):
    """A session that has not ended. `listed` is the publish time, in ms, at which the online list
    shows it; None if no list has shown it yet. If `doubted` is True, the session is handled after
    every reading of the list, even if the list has not changed."""

    key: StreamKey
    listed: int | None
    doubted: bool


def watched_of(record: StreamRecord) -> Watched:
    session = record.session
    doubted = session is None or session.state is not SessionState.LIVE or session.start_not_found
    listed = session.publish_time if session else None
    withheld = session is not None and session.policy_withheld
    return Watched(record.key, listed, doubted or record.lacks_start or withheld)


class WrongCount(Struct, frozen=True):
    """How many streams have been wanted, live and not recorded for at least a given time.
    `oldest_ms` is for how long the first of them has been in this state."""

    count: int
    oldest_ms: int


class WrongRow(Struct, frozen=True):
    """A stream that has been wanted, live and not recorded since `since`, in ms; and its record, or
    the error if the record cannot be read."""

    since: int
    key: StreamKey
    record: StreamRecord | Unreadable


class PolicyCopy(Struct, frozen=True):
    """A version of the policy that a running stage has applied: its JSON, and the time `at` which
    it was stored. Versions count from 1."""

    version: int
    text: str
    at: int


class InForce(Struct, frozen=True):
    """The rules that every instance applies. `policy` is the newest policy, None if there is none.
    `temporary` contains the rules of schedules that name their streams by pattern: such a rule
    records the streams during one occurrence. Each key is the id of a schedule; its value is the
    JSON of the schedule's rules."""

    policy: PolicyCopy | None
    temporary: Mapping[str, str]


class AlertsCopy(Struct, frozen=True):
    """The alert book, which lists the alerts of the stage, as JSON. Versions count from 1, and 0
    means that there is none yet."""

    version: int = 0
    text: str = ""


class Queue(Struct, frozen=True):
    """How many streams are due (`depth`), and for how many ms the first of them has been due
    (`oldest`)."""

    depth: int
    oldest: int


class RateLimitUse(Struct, frozen=True):
    """How much of a rate limit is used. `used` is the number of slots a second over the last
    minute, `rate` the number allowed. The next free slot begins in `ahead` ms."""

    rate: float
    used: float
    ahead: float


class Size(Struct, frozen=True):
    """How much of an engine's space is used, in bytes. `limit` is None if there is no limit, or if
    the engine reports none. `per_day` is the recent growth a day; None on the first day."""

    used: int
    limit: int | None = None
    per_day: float | None = None

    @property
    def share(self) -> float:
        """Return the used part of the limit, from 0 to 1; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0

    @property
    def full_in_ms(self) -> int | None:
        """Return in how many ms the store will be full at its present growth; None if it has no
        limit or does not grow."""
        if self.limit is None or self.per_day is None or self.per_day <= 0:
            return None
        return max(round((self.limit - self.used) / self.per_day * DAY_MS), 0)


def growth(samples: Mapping[int, int], used: int, now: int) -> float | None:
    """Return the growth a day, in bytes, since the oldest of `samples`, which map a time to the
    bytes used then. Return None if that sample is less than a day old."""
    at = min(samples, default=now)
    return (used - samples[at]) * DAY_MS / (now - at) if now - at >= DAY_MS else None


class Durability(Struct, frozen=True):
    """The engine's settings that keep its data safe, under the names that the engine gives them. A
    setting that the engine does not report is left out."""

    engine: str
    settings: Mapping[str, str]


MAX_THROTTLE_PAUSE_MS = 2_000
"""The longest time, in ms, without slots after Live has throttled."""
STEP_MS = 1_000
"""ms by which the store's clock may go back without counting as set back."""
MAX_WORKER_LEASE_MS = 60_000
"""The longest time, in ms, that a worker's registration lasts without renewal."""


def furthest_slot_ms(interval: float) -> float:
    """Return how many ms ahead the next free slot of a rate limit may lie. A slot further ahead was
    given before the store's clock was set back. It is moved to this distance, and not to now, so
    that no slot is given twice."""
    return max(MAX_SLOT_WAIT_MS + interval, MAX_THROTTLE_PAUSE_MS)


SIGNED_KEPT_S = 600
"""s for which the streams that a signature has named are remembered; longer than a signature is
valid."""
COMMANDS, POLLS = "commands", "polls"
"""The names of the rate limits: for commands that change a recording, and for polls."""
POLL_RATE_PER_S = 50
"""Polls a second; Live allows 10,000 a minute (docs/platform/live.md §7)."""
HISTORY_MAX_ENTRIES = 1000
"""Entries of history kept for one stream."""
RECHECK_MS = 300_000
"""ms after which a start that waits for quota is tried again, in case the quota was raised."""
FIRST_PAUSE_MS, MAX_PAUSE_MS = 5_000, 600_000
"""ms for which a stream is left alone after the first crash of its handling, and the longest such
pause."""
URGENT_PAUSE_MS = 15_000
"""The longest pause if a stop or cancel_delay is due, or the stream's end has passed."""


def quarantine_pause_ms(crashes: int, *, is_urgent: bool) -> int:
    """Return for how many ms a stream is left alone after its handling has crashed this number of
    times in a row. `is_urgent`: a stop or cancel_delay is due, or the stream's end has passed, so
    that the pause must be short."""
    pause = doubled(FIRST_PAUSE_MS, crashes - 1, MAX_PAUSE_MS)
    return min(pause, URGENT_PAUSE_MS) if is_urgent else pause

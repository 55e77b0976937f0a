"""What is handed to a store and what it hands back. Times in ms, by the store's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from shared.protocol.derived.phase import Phase
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState
from shared.protocol.stream import StreamKey


class Loaded(Struct, frozen=True):
    """`version` is 0 and `record` empty for a stream never heard of."""

    record: StreamRecord
    version: int
    now: int


class Save(Struct, frozen=True):
    """Replace version `version` by `flying` if the lane has a slot within `wait` ms, else by
    `queued`. A flight's lease lasts `lease` ms from its slot. Of `files` each (domain, uri) is
    kept once, however often it is told of.

    With `waiting` the flight needs one of the places too: whoever takes none yet is refused where
    they are all taken, or wanted by someone more urgent, and `waiting` is stored until one comes
    free."""

    version: int
    if_no_slot: StreamRecord
    if_slot: StreamRecord | None = None
    entries: tuple[HistoryEntry, ...] = ()
    slot_wait_ms: int = 0
    lease_ms: int = 0
    files: tuple[File, ...] = ()
    quota: ConcurrencyQuota = ConcurrencyQuota()
    if_no_quota: StreamRecord | None = None

    @property
    def key(self) -> StreamKey:
        return self.if_no_slot.key


class Stored(Struct, frozen=True):
    """`queued` is what the store holds now, or `waiting` if it is `full`. `lane_in` is how far
    away, in ms, the slot was that was not waited for."""

    version: int
    over_quota: bool = False
    next_slot_in_ms: float = 0.0


class Claimed(Struct, frozen=True):
    """`record` flies, its flight complete; its slot comes in `slot_in` ms."""

    version: int
    record: StreamRecord
    slot_in: float


class Conflict(Struct, frozen=True):
    """Somebody else saved first: nothing was stored, load and decide again."""


Saved: TypeAlias = Stored | Claimed | Conflict


class HistoryLine(Struct, frozen=True):
    """One line of history; `count` repeats of it ended at `last_at`."""

    entry: HistoryEntry
    at: int
    last_at: int
    count: int


class Filter(Struct, frozen=True):
    """Which records to list; None takes all."""

    phase: Phase | None = None
    domain: str | None = None
    app: str | None = None


class Watched(Struct, frozen=True):
    """A session that has not ended: when the online list says it began, if it was listed yet, and
    whether it is doubted."""

    key: StreamKey
    listed: int | None
    doubted: bool


def watched_of(record: StreamRecord) -> Watched:
    session = record.session
    doubted = session is None or session.state is not SessionState.LIVE or session.start_not_found
    return Watched(record.key, session.publish_time if session else None, doubted)


class PolicyCopy(Struct, frozen=True):
    """A policy that was applied to a running stage, as JSON; versions count from 1."""

    version: int
    text: str
    at: int


class Queue(Struct, frozen=True):
    """What waits to be done: how much is due, and for how many ms the oldest has been."""

    depth: int
    oldest: int


class Use(Struct, frozen=True):
    """How much of a lane is used: slots a second over the last minute, of `rate` that there are,
    and how far ahead (ms) the next free one is."""

    rate: float
    used: float
    ahead: float


class Condition(Struct, frozen=True):
    """What an engine says of how safely it keeps things, under its own names and in its own
    words; what it does not tell is left out."""

    engine: str
    settings: Mapping[str, str]


COMMANDS, POLLS = "commands", "polls"
"""The lanes: what changes a recording, and what only asks."""
POLL_RATE_PER_S = 50
"""Looks a second; Live allows 166 (docs/platform/live.md §7)."""
HISTORY_MAX_ENTRIES = 1000
"""Lines of history that are kept of one stream."""
RECHECK_MS = 300_000
"""ms after which a start that waits for a place is tried again, in case a cap was raised."""

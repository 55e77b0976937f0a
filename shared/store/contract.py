"""What is handed to a store and what it hands back. Times in ms, by the store's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from shared.protocol.derived.phase import Phase
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState
from shared.protocol.stream import StreamKey
from shared.quick import dataclass


@dataclass(frozen=True, slots=True)
class Loaded:
    """`version` is 0 and `record` empty for a stream never heard of."""

    record: StreamRecord
    version: int
    now: int


@dataclass(frozen=True, slots=True)
class Save:
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


@dataclass(frozen=True, slots=True)
class Stored:
    """`queued` is what the store holds now, or `waiting` if it is `full`. `lane_in` is how far
    away, in ms, the slot was that was not waited for."""

    version: int
    over_quota: bool = False
    next_slot_in_ms: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Claimed:
    """`record` flies, its flight complete; its slot comes in `slot_in` ms."""

    version: int
    record: StreamRecord
    slot_in: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else saved first: nothing was stored, load and decide again."""


Saved: TypeAlias = Stored | Claimed | Conflict


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history; `count` repeats of it ended at `last_at`."""

    entry: HistoryEntry
    at: int
    last_at: int
    count: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records to list; None takes all."""

    phase: Phase | None = None
    domain: str | None = None
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A session that has not ended: when the online list says it began, if it was listed yet, and
    whether it is doubted: whether a list that shows nothing new decides something, too."""

    key: StreamKey
    listed: int | None
    doubted: bool


def watched_of(record: StreamRecord) -> Watched:
    session = record.session
    doubted = session is None or session.state is not SessionState.LIVE or session.start_not_found
    listed = session.publish_time if session else None
    return Watched(record.key, listed, doubted or record.lacks_start)


@dataclass(frozen=True, slots=True)
class PolicyCopy:
    """A policy that was applied to a running stage, as JSON; versions count from 1."""

    version: int
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits to be done: how much is due, and for how many ms the oldest has been."""

    depth: int
    oldest: int


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a lane is used: slots a second over the last minute, of `rate` that there are,
    and how far ahead (ms) the next free one is."""

    rate: float
    used: float
    ahead: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What an engine says of how safely it keeps things, under its own names and in its own
    words; what it does not tell is left out."""

    engine: str
    settings: Mapping[str, str]


COMMANDS, POLLS = "commands", "polls"
"""The lanes: what changes a recording, and what only asks."""
POLL_RATE_PER_S = 50
"""Looks a second; Live allows 166 (docs/platform/live.md §7)."""
RECHECK_MS = 300_000
"""ms after which a start that waits for a place is tried again, in case a cap was raised."""

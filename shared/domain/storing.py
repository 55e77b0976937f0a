"""What is handed to a store and what it hands back. Times in ms, by the store's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from shared.domain.because import Note
from shared.domain.record import Recording
from shared.domain.stream import StreamKey


@dataclass(frozen=True, slots=True)
class Loaded:
    """`version` is 0 and `record` empty for a stream never heard of."""

    record: Recording
    version: int
    now: int


@dataclass(frozen=True, slots=True)
class Save:
    """Replace version `version` by `flying` if the lane has a slot within `wait` ms, else by
    `queued`. A flight's lease lasts `lease` ms from its slot."""

    version: int
    queued: Recording
    flying: Recording | None = None
    notes: tuple[Note, ...] = ()
    wait: int = 0
    lease: int = 0

    @property
    def key(self) -> StreamKey:
        return self.queued.key


@dataclass(frozen=True, slots=True)
class Stored:
    """`queued` is what the store holds now."""

    version: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """`record` flies, its flight complete; its slot comes in `slot_in` ms."""

    version: int
    record: Recording
    slot_in: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else saved first: nothing was stored, load and decide again."""


Saved: TypeAlias = Stored | Claimed | Conflict


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of history; `count` repeats of it ended at `last_at`."""

    note: Note
    at: int
    last_at: int
    count: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits to be done: how much is due, and for how many ms the oldest has been."""

    depth: int
    oldest: int

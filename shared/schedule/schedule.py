"""What a schedule is, and when it has to be looked at next.

Nothing here computes a recurrence: recurrence.py does, with libraries that take time to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum

import msgspec
from msgspec import Struct

from shared.protocol import Occurrence, StreamKey
from shared.protocol.events import HOUR_MS

PLANNED_AHEAD_MS = 48 * HOUR_MS
"""How far ahead occurrences are put into the records of their streams."""
LEAD_MS = 65_000
"""How long before an occurrence begins its schedule is due: the timer's run that meets it stays, so
that the occurrence begins at its second. The timer comes each minute, and a run may last 70 s."""
SETTLED_AFTER_MS = 120_000
"""How long after a change a schedule is planned once more: until then a run that had read it before
may still plan what it was."""
PLAN_EVERY_MS = 24 * HOUR_MS
OVERRUN_MS = 2 * HOUR_MS
"""How long a show that runs over is recorded, where nothing else is said."""
LATE_AFTER_MS = 120_000
"""How long after the announced start a stream may come up, or come back, before people are told,
where nothing else is said."""
MAX_EXDATES_NUMBER = 500

ID_PATTERN = "[a-z0-9][a-z0-9._-]{0,62}"
_ID = re.compile(ID_PATTERN)


def is_schedule_id(value: str) -> bool:
    return bool(_ID.fullmatch(value))


class Expect(str, Enum):
    """Which streams of a schedule have to be live. `ANY`: one of them is enough, for instance a
    main one or its backup; all that are live are recorded."""

    ALL = "all"
    ANY = "any"


class Schedule(Struct, frozen=True, omit_defaults=True):
    """A schedule of streams, each as domain/app/stream. `start` and `end` are those of its first
    occurrence, by the clocks of `timezone`; each later one begins at the same time of day and lasts
    as long. Durations are in ms."""

    id: str
    streams: tuple[str, ...]
    start: str
    end: str
    timezone: str
    title: str = ""
    rrule: str = ""
    exdates: tuple[str, ...] = ()
    pre_roll: int = 0
    post_roll: int = 0
    overrun: int = OVERRUN_MS
    is_paused: bool = False
    rehearsed_within: int = 0  # 0: no rehearsal is demanded
    late_after: int = LATE_AFTER_MS
    expect: Expect = Expect.ALL
    coverage_target: float | None = None  # in percent; None where the rule decides


class StoredSchedule(Struct, frozen=True, omit_defaults=True):
    """A schedule as it is stored, to be looked at again at `due_at`, None for never. Up to
    `planned_until` its occurrences are in the records of its streams, which is None until they are.
    They are still to be taken from the records of `leaving`, and from all if it `is_deleted`: its
    document goes once that has settled."""

    schedule: Schedule
    made_by: str = ""
    made_at: int = 0
    planned_until: int | None = None
    due_at: int | None = None
    changed_at: int = 0
    begins_at: int | None = None  # its next occurrence, as of when it was planned
    leaving: tuple[str, ...] = ()
    is_deleted: bool = False

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> StoredSchedule:
        """Return the schedule. Raise msgspec.ValidationError for one that cannot be read."""
        return msgspec.json.decode(text, type=cls)


def readable(texts: Mapping[str, str]) -> Mapping[str, StoredSchedule]:
    """Return the stored schedules that can be read, by their ids. One of a later release is left
    out: reconcile reports it."""
    found: dict[str, StoredSchedule] = {}
    for name, text in texts.items():
        with suppress(msgspec.MsgspecError):
            found[name] = StoredSchedule.from_text(text)
    return found


def keys_of(streams: Iterable[str]) -> Sequence[StreamKey]:
    return [StreamKey(*stream.split("/", 2)) for stream in streams]


def one_of_each_application(streams: Iterable[str]) -> Sequence[StreamKey]:
    """Return the first stream of each application: its streams are recorded alike."""
    first = {(key.domain, key.app): key for key in reversed(keys_of(streams))}
    return [*reversed(first.values())]


def settles_at(stored: StoredSchedule, now: int) -> int | None:
    """Return when a schedule that was changed lately is planned once more; None for others."""
    at = stored.changed_at + SETTLED_AFTER_MS
    return at if now < at else None


def next_begin(now: int, upcoming: Iterable[Occurrence]) -> int | None:
    """Return when the next of these occurrences begins; None if none is to come."""
    return min((one.begins_at for one in upcoming if one.begins_at > now), default=None)


def due_at(now: int, begins_at: int | None) -> int | None:
    """Return when a schedule that is planned is to be looked at next: before its next occurrence
    begins, and once a day while there is one."""
    return None if begins_at is None else min(begins_at - LEAD_MS, now + PLAN_EVERY_MS)

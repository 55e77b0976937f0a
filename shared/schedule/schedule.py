"""Defines a schedule, and when it has to be planned again.

It computes no recurrence: recurrence.py does, with libraries that take time to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.decoding import decode
from shared.protocol import Occurrence, StreamKey
from shared.protocol.events import HOUR_MS
from shared.protocol.policy import Match
from shared.protocol.state.occurrence import TemporaryRule

PLANNED_AHEAD_MS = 48 * HOUR_MS
"""How far ahead occurrences are written into the records of their streams."""
LEAD_MS = 65_000
"""A schedule is due this long before an occurrence begins. The timer's run at that time waits, so
that the occurrence begins at its second. The timer runs every minute, and a run may last 70 s."""
SETTLED_AFTER_MS = 120_000
"""How long after a change a schedule is planned once more: until then, a run that had read the old
version may still write it."""
PLAN_EVERY_MS = 24 * HOUR_MS
OVERRUN_MS = 2 * HOUR_MS
"""How long a show that runs over is recorded by default."""
LATE_AFTER_MS = 120_000
"""How long after the announced start a stream may come up, or come back, before people are
notified, by default."""
MAX_EXDATES_NUMBER = 500

ID_PATTERN = "[a-z0-9][a-z0-9._-]{0,62}"


def is_schedule_id(value: str) -> bool:
    return bool(re.fullmatch(ID_PATTERN, value))


class Expect(str, Enum):
    """Which streams of a schedule must be live. `ANY`: one is enough, such as a main stream or its
    backup; all that are live are recorded."""

    ALL = "all"
    ANY = "any"


class Schedule(Struct, frozen=True, omit_defaults=True):
    """A schedule of streams, each as domain/app/stream, or of patterns of streams. `start` and
    `end` belong to its first occurrence, in local time of `timezone`; later occurrences begin at
    the same time of day and last as long. Durations are in ms.
    """

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

    @property
    def is_by_pattern(self) -> bool:
        return any(is_pattern(stream) for stream in self.streams)


class StoredSchedule(Struct, frozen=True, omit_defaults=True):
    """A schedule as it is stored. It is planned again at `due_at`; None for never. Its occurrences
    up to `planned_until` are in the records of its streams; None if none are yet. `leaving`:
    streams from whose records the occurrences must still be removed. If the schedule `is_deleted`,
    its occurrences are removed from all records, and then this document is deleted. `rules` belong
    to its patterns: one for each occurrence that has begun, up to its limit, and one for the next
    occurrence. `cancelled` are the ids of occurrences that a recent change took out of the calendar
    before they began."""

    schedule: Schedule
    made_by: str = ""
    made_at: int = 0
    planned_until: int | None = None
    due_at: int | None = None
    changed_at: int = 0
    begins_at: int | None = None  # its next occurrence, as of when it was planned
    leaving: tuple[str, ...] = ()
    is_deleted: bool = False
    rules: tuple[TemporaryRule, ...] = ()
    cancelled: tuple[str, ...] = ()
    paused_by: str = ""
    pause_note: str = ""

    @property
    def has_patterns(self) -> bool:
        return bool(self.rules) or any(map(is_pattern, (*self.schedule.streams, *self.leaving)))

    @property
    def rules_text(self) -> str:
        """Return the rules as the text that every instance reads; "" for none."""
        return msgspec.json.encode(self.rules).decode() if self.rules else ""

    def under_way(self, now: int) -> Sequence[TemporaryRule]:
        """Return the rules whose occurrence has begun and still asks for a recording."""
        begun = (rule for rule in self.rules if not rule.occurrence.is_over)
        return [rule for rule in begun if rule.occurrence.begins_at <= now < rule.occurrence.until]

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> StoredSchedule:
        """Parse a stored schedule. Raise msgspec.ValidationError if it cannot be read."""
        return decode(text, cls)


def readable(texts: Mapping[str, str]) -> Mapping[str, StoredSchedule]:
    """Return the stored schedules that this release can read, by id; reconcile reports the
    others."""
    found: dict[str, StoredSchedule] = {}
    for name, text in texts.items():
        with suppress(msgspec.MsgspecError):
            found[name] = StoredSchedule.from_text(text)
    return found


def is_pattern(stream: str) -> bool:
    return "*" in stream


def matches_of(streams: Iterable[str]) -> tuple[Match, ...]:
    """Return the globs of the patterns among some streams."""
    keys = [key for key in keys_of(streams) if key.is_pattern]
    return tuple(Match(key.domain, key.app, key.stream) for key in keys)


def rules_of(
    stored: StoredSchedule, upcoming: Sequence[Occurrence], now: int
) -> tuple[TemporaryRule, ...]:
    """Return the rules of a schedule as of now. Rules that have begun stay up to their limits, even
    if the schedule was changed or deleted. Skipped rules stay until the change is settled, because
    an instance may know of the skip only then. The calendar adds the occurrences under way and the
    next one."""
    ahead = {one.id for one in upcoming}
    is_settling = settles_at(stored, now) is not None
    cancelled = cancelled_by_change(stored, upcoming, now)
    kept = [
        rule
        for rule in stored.rules
        if (_has_begun(rule.occurrence, now) and rule.occurrence.id not in cancelled)
        or (is_settling and rule.occurrence.is_over and rule.occurrence.id not in ahead)
    ]
    matches = matches_of(stored.schedule.streams)
    known = {rule.occurrence.id for rule in kept}
    near_by = max(next_begin(now, upcoming) or 0, now + LEAD_MS)
    new = [
        TemporaryRule(replace(one, by_pattern=True), matches)
        for one in upcoming
        if one.id not in known and one.begins_at <= near_by and now < one.ends_at
    ]
    return (*kept, *new) if matches else tuple(kept)


def cancelled_by_change(
    stored: StoredSchedule, upcoming: Iterable[Occurrence], now: int
) -> tuple[str, ...]:
    """Return the ids of the occurrences of patterns that the latest changes took out of the
    calendar before they began. A skipped one is not among them: its rule shows the skip."""
    # changed_at ── begins_at: not in the calendar any more ── the change is settled
    ahead = {one.id for one in upcoming}
    asking = [rule.occurrence for rule in stored.rules if not rule.occurrence.is_over]
    is_settling = settles_at(stored, now) is not None
    latest = (one.id for one in asking if is_settling and one.begins_at > stored.changed_at)
    known = dict.fromkeys((*stored.cancelled, *latest))
    return tuple(name for name in known if name not in ahead)


def _has_begun(occurrence: Occurrence, now: int) -> bool:
    return occurrence.begins_at <= now < occurrence.until


def keys_of(streams: Iterable[str]) -> Sequence[StreamKey]:
    return [key_of(stream) for stream in streams]


def key_of(stream: str) -> StreamKey:
    """Return the stream or the pattern that a text names; its parts may be percent-encoded."""
    return StreamKey(*map(unquote, stream.split("/", 2)))


def one_of_each_application(streams: Iterable[str]) -> Sequence[StreamKey]:
    """Return the first stream of each application, because an application's streams are recorded
    alike. For a pattern, return a name that fits the pattern."""
    names = [stream.replace("*", "-") for stream in streams]
    first = {(key.domain, key.app): key for key in reversed(keys_of(names))}
    return [*reversed(first.values())]


def rules_due_at(stored: StoredSchedule, now: int) -> int | None:
    """Return when a rule of the schedule changes next, among those whose occurrence has begun; None
    if none has begun."""
    times = (
        rule.occurrence.until if rule.is_judged else rule.occurrence.ends_at
        for rule in stored.rules
        if rule.occurrence.begins_at <= now
    )
    return min(times, default=None)


def settles_at(stored: StoredSchedule, now: int) -> int | None:
    """Return when a recently changed schedule is planned once more; None if no change is recent."""
    at = stored.changed_at + SETTLED_AFTER_MS
    return at if now < at else None


def next_begin(now: int, upcoming: Iterable[Occurrence]) -> int | None:
    """Return when the next of these occurrences begins; None if there is none."""
    return min((one.begins_at for one in upcoming if one.begins_at > now), default=None)


def due_at(now: int, begins_at: int | None) -> int | None:
    """Return when to plan the schedule again: before its next occurrence begins, and once a day
    while it has one."""
    return None if begins_at is None else min(begins_at - LEAD_MS, now + PLAN_EVERY_MS)

"""Defines a schedule, and when it has to be planned again. To plan it is to write its coming
occurrences into the records of its streams.

This module computes no recurrence: recurrence.py does, with libraries that take time to import.
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

from shared.decoding import Undecodable, decode
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
    """Which streams of a schedule must be live. `ALL`: each one. `ANY`: one is enough, such as a
    main stream or its backup. In both cases, every stream that is live is recorded."""

    ALL = "all"
    ANY = "any"


class Schedule(Struct, frozen=True, omit_defaults=True):
    """A schedule: when to record which streams. Each of `streams` is a stream or a pattern, as
    domain/app/stream. `start` and `end` are those of the first occurrence, in the local time of
    `timezone`. Every other occurrence lasts as long; `rrule` says when it begins. Durations are in
    ms."""

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
    """A schedule as it is stored.

    `due_at`: when to plan it again; None for never. `planned_until`: its occurrences up to this
    time are in the records of its streams; None if none are yet. `leaving`: streams from whose
    records its occurrences must still be removed. `is_deleted`: its occurrences are to be removed
    from all records; then this document is deleted, too. `rules`: the temporary rules that follow
    from its patterns. There is one for each occurrence that has begun, until its `until`, and one
    for the next occurrence. `cancelled`: the ids of occurrences that a recent change removed from
    the calendar before they began.
    """

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
        """Return the rules as a text, which is stored for every instance to read; "" if there are
        none."""
        return msgspec.json.encode(self.rules).decode() if self.rules else ""

    def under_way(self, now: int) -> Sequence[TemporaryRule]:
        """Return the rules whose occurrence has begun and still asks for a recording."""
        begun = (rule for rule in self.rules if not rule.occurrence.is_over)
        return [rule for rule in begun if rule.occurrence.begins_at <= now < rule.occurrence.until]

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> StoredSchedule:
        """Parse a stored schedule. Raise Undecodable if this release cannot read it."""
        stored = decode(text, cls)
        try:
            keys_of((*stored.schedule.streams, *stored.leaving))
        except TypeError as error:
            raise Undecodable(str(error)) from error
        return stored


def readable(texts: Mapping[str, str]) -> Mapping[str, StoredSchedule]:
    """Return the stored schedules that this release can read, by id. The list of schedules and
    health report the others."""
    found: dict[str, StoredSchedule] = {}
    for name, text in texts.items():
        with suppress(Undecodable):
            found[name] = StoredSchedule.from_text(text)
    return found


def is_pattern(stream: str) -> bool:
    return "*" in stream


def matches_of(streams: Iterable[str]) -> tuple[Match, ...]:
    """Return the globs of those streams in `streams` that are patterns."""
    keys = [key for key in keys_of(streams) if key.is_pattern]
    return tuple(Match(key.domain, key.app, key.stream) for key in keys)


def rules_of(
    stored: StoredSchedule, upcoming: Sequence[Occurrence], now: int
) -> tuple[TemporaryRule, ...]:
    """Return the temporary rules of a schedule with patterns, as of `now`. `upcoming` are the
    occurrences that its calendar has now.

    Once an occurrence has begun, its rule stays until `Occurrence.until`, even if the schedule was
    changed or deleted. But if the occurrence had been cancelled before it began, its rule is
    removed. If an occurrence was skipped, its rule stays for SETTLED_AFTER_MS after the change, so
    that every instance learns of the skip. New rules come from the occurrences that are under way
    or about to begin, and from the next one.
    """
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
    """Return the ids of occurrences that the latest changes of a schedule with patterns removed
    from its calendar before they began. `upcoming` are the occurrences that the calendar has now. A
    skipped occurrence is not among them, because its rule shows the skip."""
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
    """Parse a stream or a pattern from domain/app/stream, whose parts may be percent-encoded."""
    return StreamKey(*map(unquote, stream.split("/", 2)))


def one_of_each_application(streams: Iterable[str]) -> Sequence[StreamKey]:
    """Return the first stream of each application, because an application's streams are recorded
    alike. For a pattern, return a name that fits the pattern."""
    names = [stream.replace("*", "-") for stream in streams]
    first = {(key.domain, key.app): key for key in reversed(keys_of(names))}
    return [*reversed(first.values())]


def rules_due_at(stored: StoredSchedule, now: int) -> int | None:
    """Return the earliest time at which a rule whose occurrence has begun must be handled; None if
    no occurrence has begun. A rule must be handled at the end of its occurrence. After the
    occurrence has been judged (`is_judged`), the rule must be handled at `Occurrence.until`."""
    times = (
        rule.occurrence.until if rule.is_judged else rule.occurrence.ends_at
        for rule in stored.rules
        if rule.occurrence.begins_at <= now
    )
    return min(times, default=None)


def settles_at(stored: StoredSchedule, now: int) -> int | None:
    """Return when a schedule that was changed is planned once more; None if its last change is not
    recent."""
    at = stored.changed_at + SETTLED_AFTER_MS
    return at if now < at else None


def next_begin(now: int, upcoming: Iterable[Occurrence]) -> int | None:
    """Return when the next of these occurrences begins; None if there is none."""
    return min((one.begins_at for one in upcoming if one.begins_at > now), default=None)


def due_at(now: int, begins_at: int | None) -> int | None:
    """Return when to plan a schedule again: LEAD_MS before its next occurrence begins (at
    `begins_at`), but in a day at the latest. Return None if it has no next occurrence."""
    return None if begins_at is None else min(begins_at - LEAD_MS, now + PLAN_EVERY_MS)

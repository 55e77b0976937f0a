"""One occurrence of a schedule, as a stream's record keeps it.

The rules in `rules/schedule.py` and `rules/occurrence.py` read it. This module does not know
schedules, recurrence or time zones: shared/schedule makes the occurrences.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from shared.protocol.policy import Match
from shared.protocol.reason import Reason
from shared.protocol.stream import StreamKey

MAX_PLANNED_ENTRIES = 400
"""Coming occurrences that one record keeps; later ones are planned another day."""
MAX_MISSED_ENTRIES = 100
"""Missed occurrences that one record keeps, the latest ones."""

MISSED_SHOWN_MS = 24 * 3_600_000
"""How long a missed occurrence stays in the record."""


class Occurrence(Struct, frozen=True, omit_defaults=True):
    """One occurrence of a schedule, announced for `starts_at`. Its recording begins at `begins_at`
    and ends at `ends_at`. If the show runs over, the recording ends with the show, but at `until`
    at the latest."""

    id: str
    schedule: str
    starts_at: int
    begins_at: int
    ends_at: int
    until: int
    is_over: bool = False  # it no longer asks for a recording
    barred_by: Reason | None = None  # why it was over as it began: a hold, or it came too late
    by_pattern: bool = False  # only a stream that is live has it planned
    who: str = ""  # the person who skipped it or moved its end, for streams that come up later
    note: str = ""  # that person's
    missed_until: int | None = None  # a missed occurrence stays in the record until then

    @property
    def stays_until(self) -> int:
        """Return the time until which the occurrence stays in the record once it has begun."""
        return max(self.until, self.missed_until or 0)


def in_order(planned: Iterable[Occurrence]) -> tuple[Occurrence, ...]:
    """Return the coming occurrences that a record keeps: each once, the next ones first, at most
    MAX_PLANNED_ENTRIES."""
    by_id = {one.id: one for one in planned}
    ordered = sorted(by_id.values(), key=lambda one: (one.begins_at, one.id))
    return tuple(ordered[:MAX_PLANNED_ENTRIES])


class TemporaryRule(Struct, frozen=True, omit_defaults=True):
    """A rule that follows from one occurrence of a schedule with patterns: record every live stream
    that fits one of the patterns. `is_judged` is set once the occurrence has ended and the ledger
    shows whether any stream was live."""

    occurrence: Occurrence
    matches: tuple[Match, ...]
    is_judged: bool = False

    def fits(self, key: StreamKey) -> bool:
        return fits(key, self.matches)


def fits(key: StreamKey, matches: Iterable[Match]) -> bool:
    """Return True if one of the patterns fits the stream; False for the stream of a rehearsal."""
    return not key.is_rehearsal and any(match.holds(key) for match in matches)

"""One occurrence of a schedule, as a stream's record keeps it.

The rules in `rules/schedule.py` and `rules/occurrence.py` read it. This module does not know
schedules, recurrence or time zones: shared/schedule makes the occurrences.
"""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import Reason

MAX_PLANNED_ENTRIES = 400
"""Coming occurrences that one record keeps; later ones are planned another day."""
MAX_MISSED_ENTRIES = 100
"""Missed occurrences that one record keeps, the latest ones."""


class Occurrence(Struct, frozen=True, omit_defaults=True):
    """One occurrence, announced for `starts_at`. The recording begins at `begins_at` and ends at
    `ends_at`; if the show runs over, it ends with the show, at `until` at the latest."""

    id: str
    schedule: str
    starts_at: int
    begins_at: int
    ends_at: int
    until: int
    is_over: bool = False  # it has begun, and asks for nothing any more
    barred_by: Reason | None = None  # why it was over as it began: a hold, or it came too late

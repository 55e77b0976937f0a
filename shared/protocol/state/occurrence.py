"""One occurrence of a schedule, as a stream's record keeps it.

The rules of `rules/schedule.py` and `rules/occurrence.py` read it. What a schedule is, how often it
occurs and in which time zone, is unknown here: shared/schedule makes occurrences of it.
"""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import Reason

MAX_PLANNED_ENTRIES = 400
"""Occurrences to come that one record keeps; those after them are planned another day."""
MAX_MISSED_ENTRIES = 100
"""Occurrences that were missed that one record keeps, the last of them."""


class Occurrence(Struct, frozen=True, omit_defaults=True):
    """One occurrence, which is announced for `starts_at`. The recording begins at `begins_at` and
    ends at `ends_at`, or with the show that runs over, at `until` at the latest."""

    id: str
    schedule: str
    starts_at: int
    begins_at: int
    ends_at: int
    until: int
    is_over: bool = False  # it has begun, and asks for nothing any more
    barred_by: Reason | None = None  # why it was over as it began: a hold, or it came too late

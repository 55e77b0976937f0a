"""The peak of concurrent recordings of each day, which Live bills.

The report calls this module. Days are those of the local time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct


class Peak(Struct, frozen=True):
    """The largest number of streams recorded at once, and when it was first reached."""

    streams: int
    at: datetime


def peaks(spans: Iterable[tuple[datetime, datetime]]) -> list[Peak]:
    """Return the peak of each day on which anything was recorded, in the order of the days. Each of
    `spans` is the beginning and the end of a recording. A recording past midnight counts on both
    days."""
    by_day: dict[str, Peak] = {}
    running = 0
    for at, change in _changes(spans):
        running += change
        before = by_day.get(_day(at))
        if running > 0 and (before is None or running > before.streams):
            by_day[_day(at)] = Peak(running, at)
    return [by_day[day] for day in sorted(by_day)]


def of_months(days: Iterable[Peak]) -> Mapping[str, Peak]:
    """Return the peak of each month by the month's name, such as 2026-11. `days` are the peaks of
    days."""
    found: dict[str, Peak] = {}
    for peak in days:
        month = _day(peak.at)[:7]
        if month not in found or peak.streams > found[month].streams:
            found[month] = peak
    return found


def _day(at: datetime) -> str:
    return at.date().isoformat()


def _changes(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, int]]:
    """Return each beginning (1) and end (-1) in order; at the same moment, ends come first. At each
    midnight, running recordings end and begin again."""
    found: list[tuple[datetime, int]] = []
    for start, stop in spans:
        begin, end = start.astimezone(), stop.astimezone()
        while begin.date() < end.date():
            midnight = _next_midnight(begin)
            found += [(begin, 1), (midnight, -1)]
            begin = midnight
        found += [(begin, 1), (end, -1)] if begin < end else []
    return sorted(found)


def _next_midnight(at: datetime) -> datetime:
    """Return the next midnight, whose offset from UTC may differ."""
    return datetime.fromordinal(at.toordinal() + 1).astimezone()

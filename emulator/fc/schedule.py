"""The schedules of timer triggers: `@every 1m`, or six cron fields, seconds first.

deployment.py parses them and timers.py asks for the next time; the CLI checks s.yaml with it.
It reads no clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EVERY = re.compile(r"@every (?:(\d+)h)?(?:(\d+)m)?")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_Field = tuple[str, int, int, Sequence[str]]
_FIELDS: Sequence[_Field] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 6, _DAYS),
)
_HORIZON = timedelta(days=366 * 8)


class Schedule(Protocol):
    def after(self, moment: datetime) -> datetime: ...


@dataclass(frozen=True)
class Every:
    interval: timedelta

    def after(self, moment: datetime) -> datetime:
        return moment + self.interval


@dataclass(frozen=True)
class Cron:
    fields: tuple[frozenset[int], ...]
    either_day: bool
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime:
        local = moment.astimezone(self.zone).replace(tzinfo=None, microsecond=0)
        candidate = local + timedelta(seconds=1)
        while (later := self._next_candidate(candidate)) != candidate:
            candidate = later
            if candidate - local > _HORIZON:
                raise ValueError("never fires")
        return candidate.replace(tzinfo=self.zone).astimezone(timezone.utc)

    def _next_candidate(self, at: datetime) -> datetime:
        """Return `at` if it matches, else a later time that may match."""
        seconds, minutes, hours, *_ = self.fields
        if not self._on_day(at):
            return at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        if at.hour not in hours:
            return at.replace(minute=0, second=0) + timedelta(hours=1)
        if at.minute not in minutes:
            return at.replace(second=0) + timedelta(minutes=1)
        return at if at.second in seconds else at + timedelta(seconds=1)

    def _on_day(self, at: datetime) -> bool:
        *_, days, months, weekdays = self.fields
        by_day, by_weekday = at.day in days, at.isoweekday() % 7 in weekdays
        day = (by_day or by_weekday) if self.either_day else (by_day and by_weekday)
        return day and at.month in months


def parse_schedule(expression: str) -> Schedule:
    """Parse an expression (docs/platform/function-compute.md §3, Timer); raise ValueError."""
    if expression.startswith("@"):
        return _parse_every(expression)
    zone, fields = _zone_and_fields(expression)
    if len(fields) != len(_FIELDS):
        raise ValueError(f"has {len(fields)} fields, not 6 (seconds come first)")
    # If both days are restricted, either may match, as in the Go cron library that has @every.
    either_day = all(fields[i][0] not in "*?" for i in (3, 5))
    sets = tuple(_parse_field(text, spec) for text, spec in zip(fields, _FIELDS, strict=True))
    cron = Cron(sets, either_day, zone)
    cron.after(datetime(2026, 1, 1, tzinfo=timezone.utc))
    return cron


def _parse_every(expression: str) -> Every:
    match = _EVERY.fullmatch(expression)
    interval = match and timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))
    if not interval:
        raise ValueError("is not @every with hours and minutes, such as @every 1h30m")
    return Every(interval)


def _zone_and_fields(expression: str) -> tuple[ZoneInfo, list[str]]:
    fields = expression.split()
    name = "UTC"
    if fields and fields[0].startswith("CRON_TZ="):
        name = fields.pop(0).removeprefix("CRON_TZ=")
    try:
        return ZoneInfo(name), fields
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"names no time zone: {name}") from error


def _parse_field(text: str, field: _Field) -> frozenset[int]:
    name, low, high, words = field
    try:
        values = [
            value for part in text.split(",") for value in _parse_part(part, low, high, words)
        ]
    except ValueError as error:
        raise ValueError(f"{name} {text!r} cannot be read") from error
    if not values or min(values) < low or max(values) > high:
        raise ValueError(f"{name} {text!r} is outside {low}-{high}")
    return frozenset(values)


def _parse_part(part: str, low: int, high: int, words: Sequence[str]) -> range:
    span, slash, step = part.partition("/")
    if span in ("*", "?"):
        first, last = low, high
    else:
        start, dash, end = span.partition("-")
        first = _parse_number(start, low, words)
        last = _parse_number(end, low, words) if dash else (high if slash else first)
    return range(first, last + 1, int(step) if slash else 1)


def _parse_number(text: str, low: int, words: Sequence[str]) -> int:
    return words.index(text.upper()) + low if text.upper() in words else int(text)

"""Parses and writes durations and instants for people. Inside the program, every time is an integer
of ms."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}
_DURATION = r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?"
_BARE_NUMBER = r"[0-9]{1,9}"
DURATION_PATTERN = f"^(?:{_DURATION})$"
ZERO_PATTERN = "^[0dhms]*$"
"""For JSON Schema: a duration matches DURATION_PATTERN but not ZERO_PATTERN, and is at most
`MAX_DURATION_MS` long."""
_INSTANT = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
TIMER_SILENT_MS = 150_000
"""A timer that has not run for this long counts as silent. It runs every minute, and one missed run
is not enough."""
MAX_DURATION_MS = 3650 * _UNITS["d"]
"""The longest duration that can be written."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)


def duration(value: object) -> int:
    """Parse a duration such as "12h30m" or "180s"; return it in ms. Raise ValueError for anything
    else, including a number without a unit, which could mean seconds or hours."""
    if _is_bare(value) and int(str(value)):
        raise ValueError(f"write a unit: `{value}s`, `{value}m` or `{value}h`")
    found = re.fullmatch(_DURATION, f"{value}s" if _is_bare(value) else str(value))
    if not isinstance(value, str | int) or found is None or not any(found.groups()):
        raise ValueError('write a duration like "4h", "90m" or "12h30m"')
    counts = found.groups("0")
    total = sum(int(count) * unit for count, unit in zip(counts, _UNITS.values(), strict=True))
    if not total:
        raise ValueError("has to be longer than `0s`")
    if total > MAX_DURATION_MS:
        raise ValueError(f"is longer than {written(MAX_DURATION_MS)}, the longest duration")
    return total


def stored_duration(value: object) -> int:
    """Parse a duration that is stored, as `duration` does, but read a number without a unit as
    seconds. Release 0.2 stored the durations of policies that way."""
    return duration(f"{value}s" if _is_bare(value) else value)


def _is_bare(value: object) -> bool:
    is_number = isinstance(value, str | int) and not isinstance(value, bool)
    return is_number and bool(re.fullmatch(_BARE_NUMBER, str(value)))


def written(ms: int) -> str:
    """Return a number of ms in the form that `duration` reads: 45000000 is "12h30m". Parts of a
    second are left out; less than a second, and a negative time, is "0s"."""
    text, ms = "", max(ms, 0)
    for name, unit in _UNITS.items():
        count, ms = divmod(ms, unit)
        text += f"{count}{name}" if count else ""
    return text or "0s"


def doubled(first_ms: int, times: int, most_ms: int) -> int:
    """Return the pause in ms: `first_ms`, doubled `times` times, at most `most_ms`."""
    return min(first_ms << min(times, 30), most_ms)  # 30 keeps the shifted number small


_LAST_MS = 253_402_300_799_999
"""The last instant that can be written: the end of the year 9999 in UTC."""


def instant(text: object) -> int:
    """Parse an RFC 3339 time; return it in ms since the epoch. Raise ValueError for other text."""
    found = re.fullmatch(_INSTANT, text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("write the time as RFC 3339, like `2026-01-02T03:04:05Z`")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:  # Python's own message is only in English
        raise ValueError("write a time that exists in the calendar and on the clock") from None
    ms = (moment - _EPOCH) // _MS + int((fraction or "0").ljust(3, "0")[:3])
    if not 0 <= ms <= _LAST_MS:
        raise ValueError("write a time between 1970 and the end of 9999 (both in UTC)")
    return ms


def instant_or_duration(text: object) -> tuple[int, bool]:
    """Parse an RFC 3339 time or a duration. Return it in ms, with True for a duration and False for
    a time. Raise ValueError for anything else."""
    if isinstance(text, str) and text[-1:] in "smhd" and text[:1].isdecimal():
        return duration(text), True
    if not isinstance(text, str) or re.fullmatch(_INSTANT, text) is None:
        raise ValueError("write a time, like `2026-01-02T03:04:05Z`, or how long ago, like `24h`")
    return instant(text), False


def rfc3339(ms: int) -> str:
    """Return an instant, in ms since the epoch, as an RFC 3339 text in UTC. The text has a fraction
    only if the instant is not a whole second."""
    moment = (_EPOCH + ms * _MS).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds") + "Z"

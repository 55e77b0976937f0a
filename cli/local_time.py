"""Shows times of the API in the local time zone, with the offset from UTC.

cli.output shows its lines through this module; the report also parses times with it. The zone is
that of the machine, or of the variable TZ. JSON keeps the times of the API.
"""

from __future__ import annotations

import re
from datetime import datetime

_UTC = re.compile(
    r"(?<![A-Za-z0-9_/=.@-])(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z(?!\.?[A-Za-z0-9_/-])"
)
"""Matches a time in UTC that is not part of a name: of a stream, an object, an occurrence or an
argument of the push URL."""


def local(text: str) -> str:
    """Return the text with each RFC 3339 time in UTC written as 2026-11-29 20:03:21+08:00."""
    return _UTC.sub(_local_time, text)


def _local_time(found: re.Match[str]) -> str:
    try:
        at = shown(moment(f"{found[1]}Z"))
    except (ValueError, OverflowError):  # it only looks like a time
        return found[0]
    seconds = len(found[1])  # the fraction follows them, of as many digits as it has
    return f"{at[:seconds]}{f'.{found[2]}' if found[2] else ''}{at[seconds:]}"


def moment(text: str) -> datetime:
    """Return a time of the API in the local time zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()


def shown(at: datetime) -> str:
    """Return a time as it is shown, without a fraction of a second: 2026-11-29 20:03:21+08:00."""
    return at.isoformat(sep=" ", timespec="seconds")

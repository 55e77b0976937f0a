"""Times of the API as the person reads a clock: in the local time zone, with its offset from UTC.

cli.output passes what it prints through it. The zone is that of the machine, or of the variable TZ.
A text to be sent back, such as an `until`, stays as the API wrote it.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

_UTC = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z")


def local(text: str) -> str:
    """Return the text with each RFC 3339 time in UTC written as 2026-11-29 20:03:21+08:00."""
    return _UTC.sub(_local_time, text)


def _local_time(found: re.Match[str]) -> str:
    moment = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    whole, offset = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S|%z").split("|")
    fraction = f".{found[2]}" if found[2] else ""
    return f"{whole}{fraction}{offset[:3]}:{offset[3:]}"

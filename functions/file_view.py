"""A recorded file as the API shows it, and the query of the requests for files.

The functions files and record_command use it. It requests nothing.
"""

from __future__ import annotations

from typing import Any

from shared.inbound.request_fields import LIMIT, Field
from shared.protocol.durations import duration, rfc3339, written
from shared.protocol.file import VOD, File

HOUR_MS = 3_600_000
MAX_SIGNED_MS = 12 * HOUR_MS
"""ms. The role's credentials last 36 h (docs/platform/function-compute.md), and a presigned URL no
longer."""


def _period(value: object) -> int:
    period = duration(value)
    if period > MAX_SIGNED_MS:
        raise ValueError(f"an address plays for {written(MAX_SIGNED_MS)} at the most")
    return period


QUERY: tuple[Field, ...] = (
    LIMIT,
    Field("for", _period, {"type": "string"}, "how long the addresses play: 12h at most", "1h"),
)
"""The query of a request for playback URLs; `for` is in ms once read."""


def is_object(left: File) -> bool:
    """Return True if the file is in the bucket, False if it was recorded to VOD."""
    return not left.uri.startswith(VOD)


def shown(left: File) -> dict[str, Any]:
    return {
        "uri": left.uri,
        "start": rfc3339(left.start) if left.start else None,
        "stop": rfc3339(left.stop) if left.stop else None,
        "duration": _seconds(left),
    }


def _seconds(left: File) -> float | None:
    """Return the duration that Live reported; else that of its times, or None without them."""
    if left.duration is not None:
        return left.duration / 1000
    return max(left.stop - left.start, 0) / 1000 if left.start else None

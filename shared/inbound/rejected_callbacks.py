"""Counts the callbacks that this instance has rejected, and keeps the newest few.

The function `stream_events` fills and shows this list. It stays in memory, because an unverified
callback may change nothing (docs/reliability.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

KEPT_ENTRIES = 20
_MAX_CHARS = 300


class RejectedCallback(Struct, frozen=True):
    """One rejected callback: the stream that it named without proof (`claimed`), why it was
    rejected, and when, in ms."""

    claimed: str
    why: str
    at: int


class RejectedCallbacks:
    """The number of all rejected callbacks, and the newest few of them."""

    def __init__(self) -> None:
        self.count = 0
        self._last: deque[RejectedCallback] = deque(maxlen=KEPT_ENTRIES)

    def keep(self, claimed: str, why: str, at: int) -> None:
        self.count += 1
        named = claimed[:_MAX_CHARS] if claimed.isprintable() else ""
        self._last.append(RejectedCallback(named, why, at))

    def last(self) -> Sequence[RejectedCallback]:
        """Return the kept callbacks, newest first."""
        return tuple(reversed(self._last))

"""Counts the callbacks that this instance has rejected, and keeps the newest few.

stream_events keeps and shows them. They stay in memory, because an unverified callback may change
nothing (docs/reliability.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

KEPT_ENTRIES = 20
_MAX_CHARS = 300


class RejectedCallback(Struct, frozen=True):
    """One rejected callback. `claimed` is the stream that it named, without proof. `at` is in
    ms."""

    claimed: str
    why: str
    at: int


class RejectedCallbacks:
    """Counts every rejection, and keeps the newest few. Each instance has its own."""

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

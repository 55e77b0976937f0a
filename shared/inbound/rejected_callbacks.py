"""The callbacks that this instance refused since it began: in memory alone, since what is not
proved genuine may change nothing (docs/reliability.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

KEPT_ENTRIES = 20
_MAX_CHARS = 300


class RejectedCallback(Struct, frozen=True):
    """`claimed` is what it said that it was about, which proves nothing. `at` in ms."""

    claimed: str
    why: str
    at: int


class RejectedCallbacks:
    """Every refusal counts, the newest few are kept. Another instance has its own."""

    def __init__(self) -> None:
        self.count = 0
        self._last: deque[RejectedCallback] = deque(maxlen=KEPT_ENTRIES)

    def keep(self, claimed: str, why: str, at: int) -> None:
        self.count += 1
        named = claimed[:_MAX_CHARS] if claimed.isprintable() else ""
        self._last.append(RejectedCallback(named, why, at))

    def last(self) -> Sequence[RejectedCallback]:
        """Newest first."""
        return tuple(reversed(self._last))

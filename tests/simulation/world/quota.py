"""The account's limit of calls per second, counted in either of two ways."""

from __future__ import annotations

from collections import deque

from .switches import Rate

SECOND = 1_000


class Quota:
    """50 calls a second for the whole account; excess is rejected, not queued (live.md §1.5)."""

    __slots__ = ("_level", "_per_second", "_rate", "_recent", "_seen")

    def __init__(self, rate: Rate, per_second: int) -> None:
        self._rate = rate
        self._per_second = per_second
        self._level = per_second * SECOND  # thousandths of a call
        self._seen = 0
        self._recent: deque[int] = deque()

    def take(self, at: int) -> bool:
        if self._rate is Rate.SLIDING:
            return self._from_window(at)
        return self._from_bucket(at)

    def _from_bucket(self, at: int) -> bool:
        full = self._per_second * SECOND
        self._level = min(full, self._level + (at - self._seen) * self._per_second)
        self._seen = at
        if self._level < SECOND:
            return False
        self._level -= SECOND
        return True

    def _from_window(self, at: int) -> bool:
        recent = self._recent
        while recent and recent[0] <= at - SECOND:
            recent.popleft()
        if len(recent) >= self._per_second:
            return False
        recent.append(at)
        return True

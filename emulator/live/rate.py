"""The account's limit of commands per second, and the peak that was reached.

api.py asks it before each record command.
It takes the time as an argument.
"""

from __future__ import annotations

from collections import deque

from emulator.live.switches import Switches


class Limiter:
    """50/s per account (docs/platform/live.md §1.5), as a token bucket or a sliding second."""

    def __init__(self, per_second: int, switches: Switches) -> None:
        self._per_second = per_second
        self._switches = switches
        self._tokens = float(per_second)
        self._filled_ms = 0
        self._allowed_ms: deque[int] = deque()
        self._arrivals_ms: deque[int] = deque()
        self.peak_per_second = 0

    def allows(self, real_ms: int) -> bool:
        self._count(real_ms)
        if self._switches.limiter == "bucket":
            return self._take_from_bucket(real_ms)
        return self._take_from_second(real_ms)

    def _take_from_bucket(self, real_ms: int) -> bool:
        gained = (real_ms - self._filled_ms) * self._per_second / 1000
        self._tokens = min(float(self._per_second), self._tokens + gained)
        self._filled_ms = real_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _take_from_second(self, real_ms: int) -> bool:
        _forget(self._allowed_ms, real_ms)
        if len(self._allowed_ms) >= self._per_second:
            return False
        self._allowed_ms.append(real_ms)
        return True

    def _count(self, real_ms: int) -> None:
        _forget(self._arrivals_ms, real_ms)
        self._arrivals_ms.append(real_ms)
        self.peak_per_second = max(self.peak_per_second, len(self._arrivals_ms))


def _forget(times: deque[int], real_ms: int) -> None:
    while times and times[0] <= real_ms - 1000:
        times.popleft()

"""The account's limits of API calls, and the peak of record commands per second.

api.py asks it before each call is carried out.
It takes the time as an argument.
"""

from __future__ import annotations

from collections import deque

from emulator.live.switches import Switches

SECOND_MS, MINUTE_MS = 1_000, 60_000
QUOTAS = {
    "AddLiveAppRecordConfig": (30, SECOND_MS),
    "AddLiveRecordNotifyConfig": (30, SECOND_MS),
    "DescribeLiveRecordConfig": (100, SECOND_MS),
    "DescribeLiveRecordNotifyConfig": (50, SECOND_MS),
    "DescribeLiveRecordNotifyRecords": (100, SECOND_MS),
    "DescribeLiveStreamState": (100, SECOND_MS),
    "DescribeLiveStreamsNotifyRecords": (100, SECOND_MS),
    "DescribeLiveStreamsNotifyUrlConfig": (1_000, MINUTE_MS),
    "DescribeLiveStreamsOnlineList": (10_000, MINUTE_MS),
    "UpdateLiveAppRecordConfig": (30, SECOND_MS),
}
"""Calls of the whole account in a window of ms (docs/platform/live.md §4, §7)."""


class Limiter:
    """A limit of `calls` in each window, as a token bucket or a sliding window.

    Record commands are limited to 50 a second (docs/platform/live.md §1.5).
    """

    def __init__(self, calls: int, switches: Switches, window_ms: int = SECOND_MS) -> None:
        self._calls = calls
        self._window_ms = window_ms
        self._switches = switches
        self._tokens = float(calls)
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
        gained = (real_ms - self._filled_ms) * self._calls / self._window_ms
        self._tokens = min(float(self._calls), self._tokens + gained)
        self._filled_ms = real_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _take_from_second(self, real_ms: int) -> bool:
        _forget(self._allowed_ms, real_ms, self._window_ms)
        if len(self._allowed_ms) >= self._calls:
            return False
        self._allowed_ms.append(real_ms)
        return True

    def _count(self, real_ms: int) -> None:
        _forget(self._arrivals_ms, real_ms, SECOND_MS)
        self._arrivals_ms.append(real_ms)
        self.peak_per_second = max(self.peak_per_second, len(self._arrivals_ms))


def _forget(times: deque[int], real_ms: int, window_ms: int) -> None:
    while times and times[0] <= real_ms - window_ms:
        times.popleft()


class Limiters:
    """The limits of the actions besides commands; an action without a known limit has none."""

    def __init__(self, switches: Switches) -> None:
        self._of = {
            action: Limiter(calls, switches, window_ms)
            for action, (calls, window_ms) in QUOTAS.items()
        }

    def allows(self, action: str, real_ms: int) -> bool:
        limiter = self._of.get(action)
        return limiter is None or limiter.allows(real_ms)

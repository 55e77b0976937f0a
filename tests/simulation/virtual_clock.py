"""The clock of virtual time, and the queue of what happens next."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Clock:
    """`now` is the true time in ms since the epoch. Calling the clock returns the store's time,
    which is `ahead` of it while the store's clock is wrong. Entries for the same moment run in the
    order in which they were entered."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.ahead = 0
        self._entered = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []

    def __call__(self) -> int:
        return self.now + self.ahead

    def at(self, when: float, act: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - act's own
        self._entered += 1
        when = self.now if when < self.now else round(when)
        heappush(self._heap, (when, self._entered, act, args))

    def after(self, ms: float, act: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - act's own
        self._entered += 1
        when = round(self.now + ms) if ms > 0 else self.now
        heappush(self._heap, (when, self._entered, act, args))

    def next_at(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Move to the next entry's time and run it."""
        self.now, _, act, args = heappop(self._heap)
        act(*args)

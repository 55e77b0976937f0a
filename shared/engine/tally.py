"""Keeps counts that belong to no save, and stores them together.

Each process has one tally. A callback that changes nothing saves nothing. If it saved its count
alone, it would cost twice as much, and anybody could put load on the store with forged callbacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from shared.store.store_errors import StoreUnavailable

STORED_EVERY_MS = 10_000
"""ms between two writes of one process, at least."""


class CounterStore(Protocol):
    def count(self, counts: Mapping[str, int]) -> None: ...


class Tally:
    """Keeps counts of a process, which handles one call at a time. Counts that are not stored when
    the process ends are lost."""

    def __init__(self, store: CounterStore, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._stored_at: int | None = None

    def add(self, name: str) -> None:
        """Add 1 to the count of this name."""
        self._counts[name] += 1

    def store_if_due(self) -> None:
        """Store the counts, unless the last try was less than STORED_EVERY_MS ago. If the store
        does not answer, keep them for the next time."""
        now, last = self._clock(), self._stored_at
        if not self._counts or (last is not None and 0 <= now - last < STORED_EVERY_MS):
            return
        self._stored_at = now
        with suppress(StoreUnavailable):
            self._store.count(self._counts)
            self._counts = Counter()
        self._stored_at = self._clock()  # the pause counts from the end, however long this took

"""The queue of what will happen by itself, in order of time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Act = Callable[..., None]
Entry = list[Any]  # [at, number, act or None when cancelled, arguments]: heapq compares lists fast


class Agenda:
    """Acts with their times (ms); those of the same time run in the order in which they were
    entered."""

    __slots__ = ("_entries", "_number", "now")

    def __init__(self) -> None:
        self.now = 0
        self._entries: list[Entry] = []
        self._number = 0

    def enter(self, at: int, act: Act, *arguments: object) -> Entry:
        """Add `act`, to be called as act(at, *arguments); return the entry, for `cancel`."""
        self._number += 1
        entry: Entry = [at, self._number, act, arguments]
        heappush(self._entries, entry)
        return entry

    @staticmethod
    def cancel(entry: Entry | None) -> None:
        if entry is not None:
            entry[2] = None

    def next_due(self) -> int | None:
        entries = self._entries
        while entries and entries[0][2] is None:
            heappop(entries)
        return int(entries[0][0]) if entries else None

    def advance(self, at: int) -> None:
        """Run whatever is due at or before `at`."""
        if at < self.now:
            raise ValueError(f"time went backwards: {at} after {self.now}")
        entries = self._entries
        while entries and entries[0][0] <= at:
            due, _, act, arguments = heappop(entries)
            if act is not None:
                self.now = max(self.now, due)
                act(self.now, *arguments)
        self.now = at

"""The development clock and the timeline of the calls that are due on it.

backend.py schedules on it; the control plane moves it. It must not know what it schedules.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

FILE_POLL_S = 0.05

Due = Callable[[int], None]


class Clock:
    """Real time plus an offset. With a file, other processes share the offset."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._moves = [(0, 0)]  # real time of each move, and the offset since
        self._file_version: tuple[int, int] | None = None

    def now_ms(self) -> int:
        return real_ms() + self.offset_ms()

    def shown_at_ms(self, second: int) -> int:
        """Return the time that the clock showed in that second of real time.

        If the clock was moved within the second, return the time after the move.
        """
        self.offset_ms()
        end = 1000 * (second + 1)
        return 1000 * second + next((to for at, to in reversed(self._moves) if at < end), 0)

    def offset_ms(self) -> int:
        if self.file is not None:
            self._reread(self.file)
        return self._moves[-1][1]

    def set_offset(self, offset_ms: int) -> None:
        self._moves.append((real_ms(), offset_ms))
        if self.file is not None:
            draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            draft.write_text(json.dumps({"offset_ms": offset_ms}) + "\n")
            draft.replace(self.file)

    def _reread(self, file: Path) -> None:
        try:
            found = file.stat()
            if self._file_version != (found.st_ino, found.st_mtime_ns):
                offset_ms = int(json.loads(file.read_text())["offset_ms"])
                self._moves.append((found.st_mtime_ns // 1_000_000, offset_ms))
                self._file_version = (found.st_ino, found.st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError):
            return  # missing or half written: the last offset still applies


class Timeline:
    """Makes the due calls, in order. If the clock is moved ahead, makes at once all that are due by
    then."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[int, int, Due]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def at(self, due_ms: int, act: Due) -> None:
        heapq.heappush(self._heap, (due_ms, next(self._order), act))
        self._changed.set()

    def after(self, wait_ms: int, act: Due) -> None:
        self.at(self.clock.now_ms() + wait_ms, act)

    async def sleep(self, wait_ms: int) -> None:
        woken = asyncio.Event()
        self.after(wait_ms, lambda _: woken.set())
        await woken.wait()

    def clear(self) -> None:
        self._heap.clear()

    def run_due(self) -> None:
        while self._heap and self._heap[0][0] <= self.clock.now_ms():
            due_ms, _, act = heapq.heappop(self._heap)
            act(due_ms)

    async def run(self) -> None:
        while True:
            self.run_due()
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), self._wait_s())
            except asyncio.TimeoutError:
                continue

    def _wait_s(self) -> float | None:
        if not self._heap:
            return None
        left_s = max(0, self._heap[0][0] - self.clock.now_ms()) / 1000
        return min(left_s, FILE_POLL_S) if self.clock.file else left_s


def real_ms() -> int:
    return time.time_ns() // 1_000_000

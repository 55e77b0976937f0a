"""How long this machine stands still at a time, where what is timed goes by its clock."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

STEP_S = 0.01
"""s between two looks at the clock."""


class SchedulingLatency:
    """A context manager whose thread does nothing but look at the clock.

    `longest_ms` is by how much a look was later than it should have been, at the most.
    """

    def __init__(self) -> None:
        self.longest_ms = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="stillness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        before = time.monotonic()
        while not self._over.wait(STEP_S):
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, round((now - before - STEP_S) * 1000))
            before = now

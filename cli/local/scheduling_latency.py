"""Measures scheduling latency: how long a thread that could run has to wait for a processor.

The demo and timing tests use this module, so that a busy machine is not taken for a slow program.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

STEP_S = 0.01
"""Pause between two readings of the clock."""


class SchedulingLatency:
    """A context manager whose thread does nothing but read the clock.

    `longest_ms` is the longest delay of a reading.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.longest_ms = 0
        self._monotonic = monotonic
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._measure, name="scheduling-latency", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        before = self._monotonic()
        while not self._over.wait(STEP_S):
            now = self._monotonic()
            self.longest_ms = max(self.longest_ms, round((now - before - STEP_S) * 1000))
            before = now

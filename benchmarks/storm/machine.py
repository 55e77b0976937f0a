"""Measures how busy the machine is: a storm's figures mean little if it has no free processor.

benchmarks.storm runs it during the storm.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

NAP_S = 0.01
"""The length of one sleep."""


class WakeUpLateness(threading.Thread):
    """A thread that measures how late the machine wakes it; `worst_s` is the longest delay."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self.worst_s = 0.0

    def run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(NAP_S)
            self.worst_s = max(self.worst_s, time.monotonic() - began - NAP_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

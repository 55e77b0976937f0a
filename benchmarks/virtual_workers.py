"""Workers in virtual time: they take turns, and what they compute takes as long as on a small CPU.

The benchmark of webhooks runs a function's workers with it, so that its figures do not depend on
what else the machine does. It knows nothing of what runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from heapq import heappop, heappush

from greenlet import getcurrent, greenlet

from shared.engine.workers import Signal

LOOK_AGAIN_S = 0.005


class VirtualTime:
    """A clock, in ms since the epoch. It advances while everybody waits, and while a worker
    computes: one second of CPU time takes `slowness` seconds. Jobs started with `free` take no
    time."""

    def __init__(self, now_ms: int, slowness: float) -> None:
        self._slowness = slowness
        self._now_s = now_ms / 1000
        self._began_s = time.process_time()
        self._entered = 0
        self._heap: list[tuple[float, int, greenlet]] = []
        self._free: set[greenlet] = set()
        self._hub = greenlet(self._run)
        self.cpu_s = 0.0

    def __call__(self) -> int:
        return round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        self._count()
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let the other workers run until `seconds` have passed."""
        self._count()
        self._enter(self._now_s + max(seconds, 0), getcurrent())
        self._hub.switch()
        self._began_s = time.process_time()

    def start(self, job: Callable[[], None], *, after_s: float = 0, free: bool = False) -> None:
        def run() -> None:
            self._began_s = time.process_time()
            job()
            self._count()
            self._free.discard(getcurrent())

        worker = greenlet(run, parent=self._hub)
        if free:
            self._free.add(worker)
        self._enter(self._now_s + after_s, worker)

    def _enter(self, at_s: float, worker: greenlet) -> None:
        self._entered += 1
        heappush(self._heap, (at_s, self._entered, worker))

    def _count(self) -> None:
        used_s = time.process_time() - self._began_s
        self._began_s += used_s
        if getcurrent() not in self._free:
            self.cpu_s += used_s
            self._now_s += used_s * self._slowness

    def _run(self) -> None:
        while self._heap:
            at_s, _, worker = heappop(self._heap)
            self._now_s = max(self._now_s, at_s)
            worker.switch()


class VirtualSignal:
    """What `threading.Condition` is to threads. A worker that waits polls its condition."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock = clock

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_raised: object) -> None:
        """Do nothing: there is no lock, since workers take turns."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        ends_s = self._clock.monotonic() + (math.inf if timeout is None else timeout)
        while not (holds := predicate()) and self._clock.monotonic() < ends_s:
            self._clock.sleep(LOOK_AGAIN_S)
        return holds

    def notify(self, n: int = 1) -> None:
        """Do nothing: a worker that waits polls."""


class VirtualWorkers:
    """The workers of one run. Leaving them waits for all."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock, self._running = clock, 0
        self.signal: Signal = VirtualSignal(clock)

    def __enter__(self) -> None:
        """Do nothing: no worker is started yet."""

    def __exit__(self, *_raised: object) -> None:
        while self._running:
            self._clock.sleep(LOOK_AGAIN_S)

    def start(self, job: Callable[[], None]) -> None:
        def run() -> None:
            try:
                job()
            finally:
                self._running -= 1

        self._running += 1
        self._clock.start(run)

"""Where the workers of one drain run: threads of this process.

The dispatcher starts them. A simulation passes it workers of its own, which take turns.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Condition
from types import TracebackType
from typing import Protocol

MAX_WORKERS = 64
THREAD_TURN_S = 0.0005
"""After how long a computing thread lets another one run. With Python's own 5 ms, each of a
worker's dozen steps from its slot to the wire would wait that long while a burst's list is read."""


class Signal(Protocol):
    """The part of `threading.Condition` that the dispatcher uses."""

    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...
    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool: ...
    def notify(self, n: int = 1) -> None: ...


class Workers(Protocol):
    """Runs jobs concurrently while it is entered; leaving it waits for those that still run."""

    @property
    def signal(self) -> Signal: ...
    def __enter__(self) -> object: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...
    def start(self, job: Callable[[], None]) -> None: ...


class ThreadWorkers:
    """Workers that are threads, one for each job."""

    def __init__(self) -> None:
        self.signal: Signal = Condition()
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[None]] = deque()

    def __enter__(self) -> None:
        sys.setswitchinterval(THREAD_TURN_S)
        self._pool = ThreadPoolExecutor(MAX_WORKERS, thread_name_prefix="worker")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        while self._jobs:  # a job may start others, which a pool that is shut down would refuse
            wait([self._jobs.popleft()])
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def start(self, job: Callable[[], None]) -> None:
        if self._pool is None:
            raise AssertionError("workers are started inside a drain")
        self._jobs.append(self._pool.submit(job))

"""Runs the workers of a drain as threads of this process.

The dispatcher starts them. A simulation passes workers of its own, which take turns.
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
"""Workers of one drain: as many as the rate limit keeps busy."""
POOL_WORKERS = 128
"""Workers of one run: notify needs more, because each delivery waits for its receiver."""
THREAD_TURN_S = 0.0005
"""How long a computing thread runs before another gets its turn. With Python's own 5 ms, a worker
would wait that long at each of a dozen steps between its slot and the wire, while a burst's list is
read.
"""


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
    """A context manager that runs jobs concurrently; leaving it waits for those that still run."""

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
    """Runs each job in a thread of its own."""

    def __init__(self) -> None:
        self.signal: Signal = Condition()
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[None]] = deque()

    def __enter__(self) -> None:
        sys.setswitchinterval(THREAD_TURN_S)
        self._pool = ThreadPoolExecutor(POOL_WORKERS, thread_name_prefix="worker")

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

"""Works on the durable tasks of one queue: takes what is due, tries it, and stores the result.

A function with a timer runs it. The caller defines what an attempt is. Several runners may work at
once, here and elsewhere: each task is taken by one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from msgspec import Struct

from shared.engine.workers import MAX_WORKERS, Signal, Workers
from shared.outbox import (
    Failed,
    Next,
    Outcome,
    Settlement,
    Task,
    backoff_of,
    settlement,
)
from shared.store.store_errors import StoreUnavailable

Crashed = Callable[[Task, Failed], Outcome]
"""Returns the outcome of an attempt that crashed; nothing is known of it but its `Failed`."""
NEVER_ENDED = "each attempt was cut off before it ended"


class TaskStore(Protocol):
    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]: ...
    def settle_task(self, task: Task, settled: Settlement) -> bool: ...


class TaskRunResult(Struct):
    """How many tasks ended in which way. `stale` tasks were taken by another runner meanwhile, so
    their results were discarded."""

    done: int = 0
    continued: int = 0
    retry: int = 0
    dead: int = 0
    stale: int = 0


class _Idle:
    """The attempts that no worker is using, `count` at most."""

    def __init__(
        self, signal: Signal, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        self._signal, self._most, self._left, self._make = signal, count, count, attempts
        self._made: list[Callable[[Task], Outcome]] = []

    def wait_for_one(self) -> int:
        """Wait until one is idle; return how many are."""
        with self._signal:
            self._signal.wait_for(lambda: self._left > 0)
            return self._left

    def wait_for_more(self, count: int) -> bool:
        """Wait until more than `count` are idle; return False if no more than that exist."""
        if count == self._most:
            return False
        with self._signal:
            return self._signal.wait_for(lambda: self._left > count)

    def wait_for_all(self) -> None:
        with self._signal:
            self._signal.wait_for(lambda: self._left == self._most)

    def give(self) -> Callable[[Task], Outcome]:
        with self._signal:
            self._left -= 1
            return self._made.pop() if self._made else self._make()

    @contextmanager
    def taken_back(self, attempt: Callable[[Task], Outcome]) -> Iterator[None]:
        try:
            yield
        finally:
            with self._signal:
                self._left += 1
                self._made.append(attempt)
                self._signal.notify(MAX_WORKERS)


class TaskRunner:
    def __init__(  # noqa: PLR0913 - what a run needs of its surroundings
        self,
        store: TaskStore,
        queue: str,
        *,
        has_time: Callable[[], bool],
        jitter: Callable[[], float],
        report: Callable[[str, Exception], None],
        stays: Callable[[], bool] = lambda: False,
        crashed: Crashed = lambda _task, failed: failed,
    ) -> None:
        """Keep the collaborators. `has_time` returns True if there is time for one more attempt.
        `report` gets the name of a log event, and an attempt's exception. If nothing is due,
        `stays` waits and says whether to check again. `crashed` adds what follows from a crash, or
        from a process that ended during an attempt.
        """
        self._store, self._queue = store, queue
        self._has_time, self._jitter, self._report = has_time, jitter, report
        self._stays, self._crashed = stays, crashed
        self._failures: list[StoreUnavailable] = []
        self.result = TaskRunResult()

    def run(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Let up to `count` workers do what is due until nothing is, or the time is up. Each worker
        calls `attempts` once to get its own attempt. Raise the last error of the store."""
        with workers:  # left once all of them have ended
            self.start(workers, count, attempts)
        self.check()

    def start(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Start one of the given workers, which also serve other queues. It takes what is due, and
        starts another worker for each task, up to `count` at a time."""
        idle = _Idle(workers.signal, count, attempts)

        def work(task: Task, attempt: Callable[[Task], Outcome]) -> None:
            with idle.taken_back(attempt):
                try:
                    self._settle(task, self._tried(task, attempt))
                except StoreUnavailable as error:
                    self._failures.append(error)

        def lead() -> None:
            for task in self._due(idle):
                workers.start(partial(work, task, idle.give()))
            idle.wait_for_all()

        workers.start(lead)

    def check(self) -> None:
        """Raise the last error of the store that a worker has met."""
        if self._failures:
            raise self._failures[-1]

    def _due(self, idle: _Idle) -> Iterator[Task]:
        """Yield what is due, as much at a time as there are idle workers. If nothing is due, wait
        for a running task: its next step may be due at once."""
        while (count := idle.wait_for_one()) and self._has_time():
            taken = self._taken(count)
            if not (taken or self._stays() or idle.wait_for_more(count)):
                return
            yield from taken

    def _taken(self, limit: int) -> Sequence[Task]:
        lease_ms = backoff_of(self._queue).lease_ms
        try:
            return self._store.take_tasks(self._queue, limit=limit, lease_ms=lease_ms)
        except StoreUnavailable as error:
            self._failures.append(error)
            return ()

    def _tried(self, task: Task, attempt: Callable[[Task], Outcome]) -> Outcome:
        """Return the outcome of an attempt, even if it raises. A task taken more often than it may
        be tried ended its process each time; it is not tried again."""
        if task.attempts > backoff_of(task.queue).attempts:
            return self._after_crash(task, Failed(task.why or NEVER_ENDED, is_final=True))
        try:
            return attempt(task)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on
            self._report("task.crashed", error)
            return self._after_crash(task, Failed(f"{type(error).__name__}: the log says why"))

    def _after_crash(self, task: Task, failed: Failed) -> Outcome:
        """Return the outcome with what follows from it; without that if computing it crashes as
        well."""
        try:
            return self._crashed(task, failed)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on
            self._report("task.crashed", error)
            return failed

    def _settle(self, task: Task, outcome: Outcome) -> None:
        settled = settlement(task, outcome, self._jitter())
        if not self._store.settle_task(task, settled):
            self.result.stale += 1
            return
        match settled.next:
            case Next.DONE:
                self.result.done += 1
            case Next.CONTINUE:
                self.result.continued += 1
            case Next.RETRY:
                self.result.retry += 1
            case Next.DEAD:
                self.result.dead += 1

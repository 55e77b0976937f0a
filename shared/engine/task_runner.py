"""Does durable tasks of one queue: takes what is due, tries it, stores what becomes of it.

A function with a timer runs it. It knows no kind: what an attempt is, is the caller's. Several may
run at once, here and elsewhere: each task is taken by one of them.
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
"""Returns the outcome of an attempt that crashed, of which `Failed` is all that is known."""
NEVER_ENDED = "each attempt was cut off before it ended"


class TaskStore(Protocol):
    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]: ...
    def settle_task(self, task: Task, settled: Settlement) -> bool: ...


class TaskRunResult(Struct):
    """How many tasks a run has settled, and in which way. `stale` ones were taken by somebody else
    meanwhile, so that their results count for nothing."""

    done: int = 0
    continued: int = 0
    retry: int = 0
    dead: int = 0
    stale: int = 0


class _Idle:
    """The attempts that no worker is at, of `count` at most."""

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
        """Wait until more than `count` are idle; return False if those are all that there are."""
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
        """Keep the collaborators. `has_time` says whether there is time for one more attempt;
        `report` gets the name of a log event, and what an attempt raised. Where nothing is due,
        `stays` says whether to look again; it waits before it does. `crashed` adds what follows
        from a crash, or from an end of the process at each attempt."""
        self._store, self._queue = store, queue
        self._has_time, self._jitter, self._report = has_time, jitter, report
        self._stays, self._crashed = stays, crashed
        self._failures: list[StoreUnavailable] = []
        self.result = TaskRunResult()

    def run(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Let up to `count` workers do what is due until nothing is, or the time is up. Each calls
        `attempts` once, for an attempt of its own. Raise the last error of the store."""
        with workers:  # left once all of them have ended
            self.start(workers, count, attempts)
        self.check()

    def start(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Start one of the workers, which are entered already: they serve other queues, too. It
        takes what is due and starts another one for each task, up to `count` at a time."""
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
        """Yield what is due, as much at a time as there are workers for. Where nothing is, a task
        that a worker is at may still be continued, which is due at once."""
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
        """Return the outcome of an attempt, whatever it raises. One that has been taken more often
        than it may be tried ended its process each time: it is not tried once more."""
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
        """Return the outcome with what follows; without it where that crashes, too."""
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

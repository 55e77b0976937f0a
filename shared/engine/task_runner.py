"""Does durable tasks of one queue: takes what is due, tries it, stores what becomes of it.

A function with a timer runs it. It knows no kind: what an attempt is, is the caller's. Several may
run at once, here and elsewhere: each task is taken by one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from shared.engine.workers import Workers
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
    ) -> None:
        """Keep the collaborators. `has_time` says whether there is time for one more attempt;
        `report` gets the name of a log event, and what an attempt raised. Where nothing is due,
        `stays` says whether to look again; it waits before it does."""
        self._store, self._queue = store, queue
        self._has_time, self._jitter, self._report = has_time, jitter, report
        self._stays = stays
        self._failures: list[StoreUnavailable] = []
        self.result = TaskRunResult()

    def run(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Let `count` workers do what is due until nothing is, or the time is up. Each calls
        `attempts` once, for an attempt of its own. Raise the last error of the store."""
        with workers:  # left once all of them have ended
            self.start(workers, count, attempts)
        self.check()

    def start(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Start so many of the workers, which are entered already: they serve other queues, too."""

        def work() -> None:
            try:
                self._work(attempts())
            except StoreUnavailable as error:
                self._failures.append(error)

        for _ in range(count):
            workers.start(work)

    def check(self) -> None:
        """Raise the last error of the store that a worker has met."""
        if self._failures:
            raise self._failures[-1]

    def _work(self, attempt: Callable[[Task], Outcome]) -> None:
        lease_ms = backoff_of(self._queue).lease_ms
        while self._has_time():
            taken = self._store.take_tasks(self._queue, limit=1, lease_ms=lease_ms)
            if not taken and not self._stays():
                return
            for task in taken:
                self._settle(task, self._tried(task, attempt))

    def _tried(self, task: Task, attempt: Callable[[Task], Outcome]) -> Outcome:
        """Return the outcome of an attempt, whatever it raises. One that has been taken more often
        than it may be tried ended its process each time: it is not tried once more."""
        if task.attempts > backoff_of(task.queue).attempts:
            return Failed(task.why or NEVER_ENDED, is_final=True)
        try:
            return attempt(task)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on
            self._report("task.crashed", error)
            return Failed(f"{type(error).__name__}: the log says why")

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

"""Does durable tasks of one kind: takes what is due, tries it, stores what becomes of it.

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
    TaskKind,
    backoff_of,
    settlement,
)
from shared.store.store_errors import StoreUnavailable

NEVER_ENDED = "each attempt was cut off before it ended"


class TaskStore(Protocol):
    def take_tasks(self, kind: str, *, limit: int, lease_ms: int) -> Sequence[Task]: ...
    def settle_task(self, task: Task, settled: Settlement) -> bool: ...


class TaskRunResult(Struct):
    """How many tasks a run has settled, and in which way. `stale` ones were taken by somebody else
    meanwhile, so that their results count for nothing."""

    done: int = 0
    retry: int = 0
    dead: int = 0
    stale: int = 0


class TaskRunner:
    def __init__(
        self,
        store: TaskStore,
        kind: TaskKind,
        *,
        has_time: Callable[[], bool],
        jitter: Callable[[], float],
        report: Callable[[str, Exception], None],
    ) -> None:
        """Keep the collaborators. `has_time` says whether there is time for one more attempt;
        `report` gets the name of a log event, and what an attempt raised."""
        self._store, self._kind = store, kind
        self._has_time, self._jitter, self._report = has_time, jitter, report
        self.result = TaskRunResult()

    def run(
        self, workers: Workers, count: int, attempts: Callable[[], Callable[[Task], Outcome]]
    ) -> None:
        """Let `count` workers do what is due until nothing is, or the time is up. Each calls
        `attempts` once, for an attempt of its own. Raise the last error of the store."""
        failures: list[StoreUnavailable] = []

        def work() -> None:
            try:
                self._work(attempts())
            except StoreUnavailable as error:
                failures.append(error)

        with workers:  # left once all of them have ended
            for _ in range(count):
                workers.start(work)
        if failures:
            raise failures[-1]

    def _work(self, attempt: Callable[[Task], Outcome]) -> None:
        lease_ms = backoff_of(self._kind.value).lease_ms
        while self._has_time():
            taken = self._store.take_tasks(self._kind.value, limit=1, lease_ms=lease_ms)
            if not taken:
                return
            for task in taken:
                self._settle(task, self._tried(task, attempt))

    def _tried(self, task: Task, attempt: Callable[[Task], Outcome]) -> Outcome:
        """Return the outcome of an attempt, whatever it raises. One that has been taken more often
        than it may be tried ended its process each time: it is not tried once more."""
        if task.attempts > backoff_of(task.kind).attempts:
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
            case Next.RETRY:
                self.result.retry += 1
            case Next.DEAD:
                self.result.dead += 1

"""Works on the durable tasks of one queue: takes those that are due, tries each, and stores the
results.

Functions that a timer starts use this module. The caller defines how to try a task. Several runners
may work on one queue at once, in this process and in others: each task is taken by one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct

from shared.engine.workers import MAX_WORKERS, Signal, Workers
from shared.outbox.backoff import backoff_of
from shared.outbox.settlement import Failed, Next, Outcome, Settlement, settlement
from shared.outbox.task import Task
from shared.store.store_errors import StoreUnavailable

Attempt = Callable[[Task], Outcome]
Ended = tuple[Task, Outcome]
Crashed = Callable[[Task, Failed], Outcome]
"""Returns the outcome of an attempt that crashed, from its `Failed`."""
NEVER_ENDED = "each attempt was cut off before it ended"
SETTLED_PERCENT = 25
"""Results are settled in one step once this share of the workers has ended."""
LOOK_AGAIN_S = 0.25
"""Results are settled after this time at the latest. If a worker is idle, the queue is then checked
again."""


class TaskStore(Protocol):
    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]: ...
    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]: ...


class TaskRunResult(Struct):
    """How many tasks ended in which way. `stale` tasks were taken by another runner meanwhile, so
    their results were discarded."""

    done: int = 0
    continued: int = 0
    retry: int = 0
    dead: int = 0
    stale: int = 0

    def count(self, ended: Next | None) -> None:
        """Count a task by its result. None means that another runner took the task meanwhile."""
        match ended:
            case Next.DONE:
                self.done += 1
            case Next.CONTINUE:
                self.continued += 1
            case Next.RETRY:
                self.retry += 1
            case Next.DEAD:
                self.dead += 1
            case None:
                self.stale += 1


class _Desk:
    """Lends attempts to workers, `count` at most, and collects the results to be settled."""

    def __init__(self, signal: Signal, count: int, make: Callable[[], Attempt]) -> None:
        self._signal, self._most, self._make = signal, count, make
        self._idle, self._back = count, 0
        self._made: list[Attempt] = []
        self._ended: list[Ended] = []

    def idle(self) -> int:
        return self._idle

    def give(self) -> Attempt:
        with self._signal:
            self._idle -= 1
            return self._made.pop() if self._made else self._make()

    def take_back(self, attempt: Attempt, ended: Sequence[Ended]) -> None:
        """Take an attempt back from a worker, for the next task, and keep its results (`ended`)
        until they are settled. Wake the worker that settles only once enough results are there, so
        that it settles several in one step."""
        with self._signal:
            self._idle, self._back = self._idle + 1, self._back + 1
            self._made.append(attempt)
            self._ended += ended
            if self._are_enough():
                self._signal.notify(MAX_WORKERS)

    def _are_enough(self) -> bool:
        return 100 * self._back >= SETTLED_PERCENT * self._most or self._idle == self._most

    def wait_for_some(self) -> bool:
        """Wait a moment until workers have given enough attempts back. Return False if no attempt
        was running and none was given back."""
        with self._signal:
            self._signal.wait_for(self._are_enough, LOOK_AGAIN_S)
            return self._back > 0 or self._idle < self._most

    def wait_for_all(self) -> None:
        with self._signal:
            self._signal.wait_for(lambda: self._idle == self._most)

    def ended(self) -> Sequence[Ended]:
        """Return the results since the last call."""
        with self._signal:
            ended, self._ended, self._back = self._ended, [], 0
        return ended


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

    def run(self, workers: Workers, count: int, attempts: Callable[[], Attempt]) -> None:
        """Work on the queue with up to `count` workers at a time, until nothing is due or the time
        is up. `attempts` makes a function that tries tasks; each such function serves one worker at
        a time. If the store failed, raise its last error at the end."""
        with workers:  # left once all of them have ended
            self.start(workers, count, attempts)
        self.check()

    def start(self, workers: Workers, count: int, attempts: Callable[[], Attempt]) -> None:
        """Start a worker that leads the work on this queue. It takes the tasks that are due, starts
        another worker for each task, up to `count` at a time, and settles their results, many in
        one step. A settled task may be due again at once, for its next step. The workers may serve
        other queues, too.
        """
        desk = _Desk(workers.signal, count, attempts)

        def work(task: Task, attempt: Attempt) -> None:
            ended: Sequence[Ended] = ()
            try:
                ended = self._ended(task, attempt)
            finally:
                desk.take_back(attempt, ended)

        def lead() -> None:
            while self._has_time():
                self._settle(desk.ended())
                for task in self._taken(desk.idle()):
                    workers.start(partial(work, task, desk.give()))
                if not (desk.wait_for_some() or self._stays()):
                    break
            desk.wait_for_all()
            self._settle(desk.ended())

        workers.start(lead)

    def start_in_line(self, workers: Workers, size: int, attempt: Attempt) -> None:
        """Start one worker that makes all attempts itself, one after the other; use it for attempts
        that do not wait. The worker takes up to `size` tasks in one step. It settles new tasks
        together, and tasks that were tried before one by one."""

        def lead() -> None:
            while self._has_time():
                taken = self._taken(size)
                for tasks in _in_steps(taken):
                    self._settle([ended for task in tasks for ended in self._ended(task, attempt)])
                if not (taken or self._stays()):
                    break

        workers.start(lead)

    def check(self) -> None:
        """If the store failed for a worker, raise the store's last error."""
        if self._failures:
            raise self._failures[-1]

    def _taken(self, limit: int) -> Sequence[Task]:
        if not limit:
            return ()
        lease_ms = backoff_of(self._queue).lease_ms
        try:
            return self._store.take_tasks(self._queue, limit=limit, lease_ms=lease_ms)
        except StoreUnavailable as error:
            self._failures.append(error)
            return ()

    def _ended(self, task: Task, attempt: Attempt) -> Sequence[Ended]:
        """Return the task with its outcome. If the store is away, note the error and return
        nothing."""
        try:
            return [(task, self._tried(task, attempt))]
        except StoreUnavailable as error:
            self._failures.append(error)
            return ()

    def _tried(self, task: Task, attempt: Attempt) -> Outcome:
        """Return the outcome of an attempt, whatever it raises. A task taken more often than it may
        be tried has ended its process each time; it is not tried again."""
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
        """Return what `crashed` makes of the failure, or the failure alone if `crashed` crashes as
        well."""
        try:
            return self._crashed(task, failed)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on
            self._report("task.crashed", error)
            return failed

    def _settle(self, ended: Sequence[Ended]) -> None:
        """Store the results of the tasks in one step. If one of them makes the store crash, settle
        each by itself, so that it stops no other."""
        if not ended:
            return
        settled = [(task, settlement(task, outcome, self._jitter())) for task, outcome in ended]
        try:
            ours = self._store.settle_tasks(settled)
        except StoreUnavailable as error:
            self._failures.append(error)
        except Exception as error:  # noqa: BLE001 - the others go on
            self._report("task.crashed", error)
            for one in ended if len(ended) > 1 else ():
                self._settle([one])
        else:
            for (_, each), is_ours in zip(settled, ours, strict=True):
                self.result.count(each.next if is_ours else None)


def _in_steps(taken: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Yield the tasks that are settled in one step: first all that are new, then each of the
    others.

    One of the others may end this process each time, and those taken with it lose an attempt. So
    another task goes first each time, until only the harmful one is left.
    """
    yield [task for task in taken if task.attempts <= 1]
    again = [task for task in taken if task.attempts > 1]
    first = again[0].attempts % len(again) if again else 0
    yield from ([task] for task in (*again[first:], *again[:first]))

"""What the runner makes of attempts that fail, crash, hang or kill their process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Barrier, Semaphore
from threading import Event as Flag
from typing import cast

import pytest

from shared.engine.task_runner import NEVER_ENDED, TaskRunner, TaskRunResult
from shared.engine.workers import ThreadWorkers
from shared.outbox.backoff import BACKOFF
from shared.outbox.settlement import Continued, Done, Failed, Outcome, Settlement
from shared.outbox.task import NewTask, Task, TaskKind
from shared.protocol import StreamRecord
from shared.store import Store
from shared.store.contract import Save
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, Clock
from tests.support.reconciling import InlineWorkers

KIND = TaskKind.VERIFY_FILE
LEASE_MS = BACKOFF[KIND].lease_ms
LONG_S = 100
SHORT_S = 0.2
Attempt = Callable[[Task], Outcome]


def add(store: Store, *names: str) -> None:
    version = store.load(KEY).version
    tasks = tuple(NewTask(name, KIND, "{}") for name in names)
    store.save_or_claim(Save(version, StreamRecord(KEY, changed_at=version + 1), tasks=tasks))


def run(  # noqa: PLR0913 - what a run needs of its surroundings
    store: Store,
    attempt: Attempt,
    *,
    count: int = 1,
    has_time: Callable[[], bool] = lambda: True,
    stays: Callable[[], bool] = lambda: False,
    crashed: Callable[[Task, Failed], Outcome] = lambda _task, failed: failed,
) -> tuple[TaskRunResult, list[str]]:
    reported: list[str] = []
    runner = runner_of(store, reported, has_time=has_time, stays=stays, crashed=crashed)
    runner.run(ThreadWorkers(), count, lambda: attempt)
    return runner.result, reported


def runner_of(
    store: Store,
    reported: list[str],
    *,
    has_time: Callable[[], bool] = lambda: True,
    stays: Callable[[], bool] = lambda: False,
    crashed: Callable[[Task, Failed], Outcome] = lambda _task, failed: failed,
) -> TaskRunner:
    return TaskRunner(
        store,
        KIND.value,
        has_time=has_time,
        jitter=lambda: 0.0,
        report=lambda event, error: reported.append(f"{event} {error}"),
        stays=stays,
        crashed=crashed,
    )


def test_all_that_is_due_is_tried_once_and_settled(store: Store) -> None:
    add(store, "a", "b", "c", "d")
    outcomes: dict[str, Outcome] = {
        "a": Done(),
        "b": Failed("away"),
        "c": Failed("no", is_final=True),
        "d": Done(),
    }
    result, reported = run(store, lambda task: outcomes[task.id], count=3)
    assert (result, reported) == (TaskRunResult(done=2, retry=1, dead=1), [])
    assert [one.task.id for one in store.dead_letters(after="", limit=9)] == ["c"]


def test_an_attempt_that_crashes_is_retried_and_stops_no_other(store: Store) -> None:
    add(store, "a", "b")

    def attempt(task: Task) -> Outcome:
        if task.id == "a":
            raise ZeroDivisionError("a secret")
        return Done()

    result, reported = run(store, attempt)
    assert (result, reported) == (TaskRunResult(done=1, retry=1), ["task.crashed a secret"])
    (left,) = store.open_tasks(after="", limit=9)
    assert left.task.why == "ZeroDivisionError: the log says why"


def test_what_a_crash_means_is_said_by_who_knows_the_kind(store: Store) -> None:
    """Where that crashes as well, the task is retried all the same."""
    add(store, "a", "b")

    def attempt(_task: Task) -> Outcome:
        raise ZeroDivisionError

    def crashed(task: Task, failed: Failed) -> Outcome:
        if task.id == "b":
            raise KeyError("here, too")
        return Failed(f"of a: {failed.why}")

    result, _ = run(store, attempt, crashed=crashed)
    assert result == TaskRunResult(retry=2)
    why = "ZeroDivisionError: the log says why"
    assert {one.task.id: one.task.why for one in store.open_tasks(after="", limit=9)} == {
        "a": f"of a: {why}",
        "b": why,
    }


def test_one_that_hangs_stops_no_other(store: Store) -> None:
    add(store, "0", "1", "2", "3")
    others_done = Flag()
    done: list[str] = []

    def attempt(task: Task) -> Outcome:
        if task.id == "0":
            assert others_done.wait(LONG_S)
        else:
            done.append(task.id)
            if len(done) == 3:
                others_done.set()
        return Done()

    assert run(store, attempt, count=2)[0].done == 4


def test_a_burst_is_done_by_as_many_as_may_work_and_then_one_looks_again(
    store: Store,
) -> None:
    names = [str(number) for number in range(8)]
    add(store, *names)
    at_once = Barrier(4)
    looks: list[str] = []

    def attempt(_task: Task) -> Outcome:
        at_once.wait(LONG_S)  # as many are tried at the same time, or nothing ever ends
        return Done()

    def stays() -> bool:
        looks.append("again")
        return len(looks) < 3

    assert run(store, attempt, count=4, stays=stays)[0].done == 8
    assert len(looks) >= 3  # it looks again when one of them is back


@pytest.mark.parametrize("count", [1, 3])
def test_a_task_that_is_continued_is_done_step_by_step_in_the_same_run(
    store: Store, count: int
) -> None:
    add(store, "a")
    left = ["three", "two", "one"]

    def attempt(_task: Task) -> Outcome:
        return Continued(KIND, left.pop()) if left else Done()

    assert run(store, attempt, count=count)[0] == TaskRunResult(done=1, continued=3)


def test_a_run_that_stays_goes_on_once_the_store_is_back(store: Store) -> None:
    add(store, "a")
    looks = iter((True, True, False))

    class Away:
        def __init__(self) -> None:
            self._failures = [StoreUnavailable("away")]

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]:
            if self._failures:
                raise self._failures.pop()
            return store.take_tasks(queue, limit=limit, lease_ms=lease_ms)

    with pytest.raises(StoreUnavailable):
        run(cast("Store", Away()), lambda _task: Done(), stays=lambda: next(looks))
    assert store.outbox().open == 0


def test_one_that_kills_its_process_each_time_is_a_dead_letter_at_last(
    store: Store, clock: Clock
) -> None:
    add(store, "a")
    for _ in range(BACKOFF[KIND].attempts):
        (task,) = store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS)
        clock.pass_ms(LEASE_MS)
    result, _ = run(store, lambda _task: Done())
    assert result == TaskRunResult(dead=1)
    assert store.dead_letters(after="", limit=9)[0].task.why == NEVER_ENDED
    assert task.attempts == BACKOFF[KIND].attempts


def test_a_result_that_comes_after_the_lease_counts_for_nothing(store: Store, clock: Clock) -> None:
    add(store, "a")

    def attempt(_task: Task) -> Outcome:
        clock.pass_ms(LEASE_MS)
        store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS)
        return Failed("no", is_final=True)

    assert run(store, attempt)[0] == TaskRunResult(stale=1)
    assert store.outbox().open == 1


def test_nothing_is_begun_once_the_time_is_up(store: Store) -> None:
    add(store, "a", "b", "c")
    left = [True, True, False]
    result, _ = run(store, lambda _task: Done(), has_time=lambda: left.pop(0))
    assert (result.done, store.outbox().open) == (2, 1)


def test_nothing_is_begun_once_the_time_is_up_while_another_was_tried(store: Store) -> None:
    add(store, "a", "b")
    asked, tried = Semaphore(0), list[Task]()

    def has_time() -> bool:
        asked.release()
        return not tried

    def attempt(task: Task) -> Outcome:
        asked.acquire(timeout=SHORT_S)  # for this one
        asked.acquire(timeout=SHORT_S)  # for the next one, if nobody waits for this one's end
        tried.append(task)
        return Done()

    run(store, attempt, has_time=has_time)
    assert len(tried) == 1


def test_a_store_that_is_away_ends_the_run(store: Store) -> None:
    add(store, "a")

    def attempt(_task: Task) -> Outcome:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        run(store, attempt, count=2)
    assert store.outbox().open == 1


def test_what_is_done_is_settled_while_another_one_hangs(store: Store) -> None:
    names = [str(number) for number in range(8)]
    add(store, *names)
    others_settled = Flag()

    def attempt(task: Task) -> Outcome:
        if task.id == "0":
            assert others_settled.wait(LONG_S)
        return Done()

    class Watching:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
            ours = store.settle_tasks(settled)
            if store.outbox().open == 1:
                others_settled.set()
            return ours

    assert run(cast("Store", Watching()), attempt, count=8)[0] == TaskRunResult(done=8)


def test_what_ends_together_is_settled_in_one_step(store: Store) -> None:
    add(store, "a", "b", "c", "d")
    steps = list[int]()

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
            steps.append(len(settled))
            return store.settle_tasks(settled)

    runner = runner_of(cast("Store", Counting()), [])
    with (workers := InlineWorkers()):
        runner.start(workers, 4, lambda: lambda _task: Done())
    assert (runner.result.done, steps) == (4, [4])


def test_a_result_that_the_store_can_make_nothing_of_stops_no_other(store: Store) -> None:
    add(store, "a", "b", "c")

    class Choosy:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
            if any(task.id == "b" for task, _ in settled):
                raise ZeroDivisionError("of b")
            return store.settle_tasks(settled)

    result, reported = run(cast("Store", Choosy()), lambda _task: Done(), count=3)
    assert result == TaskRunResult(done=2)
    assert set(reported) == {"task.crashed of b"}
    assert [one.task.id for one in store.open_tasks(after="", limit=9)] == ["b"]


def test_what_waits_for_nobody_is_done_in_line_and_settled_together(store: Store) -> None:
    add(store, "a", "b", "c", "d", "e")

    def attempt(task: Task) -> Outcome:
        if task.id == "b":
            raise StoreUnavailable("away")
        if task.id == "c":
            raise ZeroDivisionError
        return Done()

    reported: list[str] = []
    runner = runner_of(store, reported)
    with (workers := ThreadWorkers()):
        runner.start_in_line(workers, 2, attempt)
    assert runner.result == TaskRunResult(done=3, retry=1)
    assert reported == ["task.crashed "]
    with pytest.raises(StoreUnavailable):
        runner.check()


def test_one_that_kills_its_process_kills_none_of_those_in_its_line(
    store: Store, clock: Clock
) -> None:
    """All of a line are taken at once, and each time counts as an attempt."""
    add(store, *"abcdef")

    def attempt(task: Task) -> Outcome:
        if task.id == "b":
            raise SystemExit
        return Done()

    for _ in range(BACKOFF[KIND].attempts + 1):
        with suppress(SystemExit):
            runner_of(store, []).start_in_line(InlineWorkers(), 9, attempt)
        clock.pass_ms(LEASE_MS)
    dead = store.dead_letters(after="", limit=9)
    assert [(one.task.id, one.task.why) for one in dead] == [("b", NEVER_ENDED)]
    assert store.outbox().open == 0

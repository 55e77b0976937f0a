"""Random runners on each engine: they crash, stall past their leases, and the clock steps. No task
is lost, none is settled by who does not hold it, and the caps hold."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from shared.outbox.backoff import BACKOFF
from shared.outbox.settlement import Continued, Done, Failed, Next, Outcome, settlement
from shared.outbox.task import DEAD_MAX_BYTES, OUTBOX_MAX_BYTES, NewTask, Redriven, Task, TaskKind
from shared.protocol import StreamRecord
from shared.store import Store
from shared.store.contract import DAY_MS, Save, Stored
from tests.conftest import KEY, Clock
from tests.support.settling import settle

pytestmark = pytest.mark.slow

KIND = TaskKind.VERIFY_FILE
LEASE_MS = BACKOFF[KIND].lease_ms
SEEDS = range(4 if os.environ.get("EXAMPLES") == "quick" else 12)
STEPS = 120
STEPS_MS = (0, 1, 900, 5_000, LEASE_MS, 600_000, 3_600_000, DAY_MS, -1_000, -60_000, -DAY_MS)


class Walk:
    """One store and what is known of it: `open` and `dead` by id, `held` by whom it was taken."""

    def __init__(self, store: Store, clock: Clock, seed: int) -> None:
        self.store, self.clock = store, clock
        self.draw = random.Random(seed)  # noqa: S311 - lots, not keys
        self.open: dict[str, int] = {}  # the version that holds it, 0 if nobody has taken it
        self.dead: set[str] = set()
        self.done: set[str] = set()
        self.taken: list[Task] = []
        self.added = 0

    def add(self) -> None:
        names = [f"t{self.added + number}" for number in range(self.draw.randrange(1, 4))]
        self.added += len(names)
        body = "x" * self.draw.choice([2, 2, 2, 900_000])
        tasks = tuple(NewTask(name, KIND, body) for name in names)
        key = replace(KEY, stream=f"room{self.draw.randrange(3)}")
        version = self.store.load(key).version
        record = StreamRecord(key, changed_at=version + 1)
        before = self.store.outbox()
        saved = self.store.save_or_claim(Save(version, record, tasks=tasks))
        assert isinstance(saved, Stored)
        room = (OUTBOX_MAX_BYTES - before.open_bytes) // tasks[0].size_bytes
        assert saved.dropped_tasks == max(len(names) - room, 0)
        self.open |= dict.fromkeys(names[: len(names) - saved.dropped_tasks], 0)

    def take(self) -> None:
        for task in self.store.take_tasks(
            KIND.value, limit=self.draw.randrange(1, 5), lease_ms=LEASE_MS
        ):
            assert task.version > self.open[task.id]
            self.open[task.id] = task.version
            self.taken.append(task)

    def settle(self) -> None:
        """One of those who ever took a task comes back, perhaps long after its lease."""
        if not self.taken:
            return
        task = self.taken.pop(self.draw.randrange(len(self.taken)))
        body = "y" * self.draw.choice([0, 3, 90_000])
        outcomes: list[Outcome] = [Done(), Failed("away", body=body)]
        outcomes += [Failed("no", is_final=True), Continued(KIND, body or "z")]
        outcome = self.draw.choice(outcomes)
        settled = settlement(task, outcome, self.draw.random())
        holds = self.open.get(task.id) == task.version
        assert settle(self.store, task, settled) is holds
        if not holds:
            return
        if settled.next not in (Next.RETRY, Next.CONTINUE):
            del self.open[task.id]
        if settled.next is Next.DONE:
            self.done.add(task.id)
        if settled.next is Next.DEAD:
            self.dead.add(task.id)

    def crash(self) -> None:
        """Whoever has taken something is gone; the leases end by themselves."""
        self.taken.clear()

    def redrive(self) -> None:
        if not self.dead:
            return
        name = self.draw.choice(sorted(self.dead))
        found = self.store.redrive(name)
        if found is Redriven.OPEN:
            self.open[name] = 0
        if found is not Redriven.FULL:
            self.dead.discard(name)

    def step_clock(self) -> None:
        self.clock.pass_ms(self.draw.choice(STEPS_MS))

    def check(self) -> None:
        state = self.store.outbox()
        placed = self.store.open_tasks(after="", limit=999)
        assert {one.task.id for one in placed} == set(self.open)
        letters = {one.task.id for one in self.store.dead_letters(after="", limit=999)}
        assert letters <= self.dead  # the oldest may be dropped, and are counted
        assert (state.open, state.dead) == (len(self.open), len(letters))
        assert state.open_bytes <= OUTBOX_MAX_BYTES
        assert state.dead_bytes <= DEAD_MAX_BYTES

    def drain(self) -> None:
        """From now on each runner does what it takes: then all that is open gets done."""
        for _ in range(99):
            self.clock.pass_ms(3_600_000)
            for task in self.store.take_tasks(KIND.value, limit=99, lease_ms=LEASE_MS):
                assert settle(self.store, task, settlement(task, Done(), 0.0))
                self.open.pop(task.id)
            if not self.open:
                return
        raise AssertionError(self.open)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_task_is_lost_or_settled_by_who_does_not_hold_it(
    store: Store, clock: Clock, seed: int
) -> None:
    walk = Walk(store, clock, seed)
    acts: list[Callable[[], None]] = [walk.add, walk.take, walk.take, walk.settle, walk.settle]
    acts += [walk.redrive, walk.step_clock, walk.step_clock, walk.crash]
    weights = [4, 4, 4, 5, 5, 2, 4, 4, 1]
    for _ in range(STEPS):
        walk.draw.choices(acts, weights)[0]()
        walk.check()
    walk.drain()
    assert store.outbox().open_bytes == 0

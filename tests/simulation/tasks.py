"""Runners of durable tasks on bad days: they are killed, fail, and stall past their leases.

The simulation starts one each minute. What they read of a bucket is left out: whether a file is
verified is judged by tests/verification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.outbox.backoff import BACKOFF
from shared.outbox.settlement import Done, Failed, Next, Outcome, settlement
from shared.outbox.task import Task, TaskKind
from shared.outbox.verify_file import verify_file
from shared.protocol import StreamKey
from tests.simulation.chances import stream_of_chance
from tests.simulation.stream_watch import Broken
from tests.support.settling import settle

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

KIND = TaskKind.VERIFY_FILE
LEASE_MS = BACKOFF[KIND].lease_ms
EVERY_MS = 60_000
STALL_MS = 5 * LEASE_MS
"""ms by which a result is late at most: another runner may have taken the task by then."""
TASKS_A_RUN = 3
KILLED, STALLED, FAILED = 0.1, 0.2, 0.4
"""A lot below the first means killed, below the second stalled, below the third failed; else all
goes well."""


class TaskRunners:
    """`settled` are the ids of finished tasks; `_holders` has the version at which each task was
    last taken."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._chance = stream_of_chance(sim.plan.seed, "tasks")
        self._holders: dict[str, int] = {}
        self.settled: set[str] = set()

    def run(self) -> None:
        """Take the due tasks, and come again in a minute."""
        for _ in range(TASKS_A_RUN):
            for task in self._sim.store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS):
                self._try(task)
        self._sim.clock.after(EVERY_MS, self.run)

    def _try(self, task: Task) -> None:
        self._holders[task.id] = task.version
        self.settled.discard(task.id)  # a task made again: its file was forgotten, then reported
        lot = 1.0 if self._sim.lots.over else self._chance.random()
        if lot < KILLED:
            return
        outcome: Outcome = Failed("OSS is away") if STALLED <= lot < FAILED else Done()
        after_ms = self._chance.randrange(STALL_MS) if lot < STALLED else 0
        self._sim.clock.after(after_ms, self._settle, task, outcome)

    def _settle(self, task: Task, outcome: Outcome) -> None:
        """Settle a task, perhaps long after its lease. Raise Broken if the result counts though
        another runner has taken the task meanwhile, or does not count though none has."""
        holds = task.id not in self.settled and self._holders.get(task.id) == task.version
        settled = settlement(task, outcome, self._chance.random())
        if settle(self._sim.store, task, settled) is not holds:
            raise Broken("tasks", f"{task.id} was settled by who does not hold it, or not at all")
        if holds and settled.next is not Next.RETRY:
            self.settled.add(task.id)

    def forget(self) -> None:
        """Forget all tasks: the store was emptied, and no runner holds one."""
        self._holders.clear()
        self.settled.clear()

    def judge(self) -> None:
        """Raise Broken unless each listed file has had a task, which is done or open."""
        store = self._sim.store
        opened = {one.task.id for one in store.open_tasks(after="", limit=9_999)}
        for stream in self._sim.plan.streams:
            key = StreamKey(*stream)
            for file in store.files(key, 9_999):
                for task in verify_file(key, file.uri):
                    if task.id not in opened | self.settled:
                        raise Broken("tasks", f"{file.uri} of {key} was listed without its task")

"""Sends webhooks: takes events, and delivers them to all receivers at the same time.

The function's run starts it first. If the policy names receivers, it works until the run ends, so
that an event is sent within a second or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from functions.notify import webhooks
from functions.notify.endpoints import Endpoints
from functions.notify.events import HandOver
from shared.decoding import decode
from shared.engine import counters
from shared.engine.counters import WebhookResult
from shared.engine.task_runner import TaskRunner
from shared.engine.workers import Workers
from shared.invocation.invocation import Invocation
from shared.invocation.tasks import runner_of
from shared.outbound.http import Connections
from shared.outbox.backoff import BACKOFF
from shared.outbox.task import TaskKind, queue_of
from shared.store.store_errors import StoreUnavailable

LOOK_AGAIN_S = 1.0
"""s after which an idle worker checks its queue again, if the policy names receivers."""
NOTICE_S = 0.1
"""s after which the workers of a receiver notice that this run has made deliveries."""
HAND_OVER_ROWS = 50
"""Events that one step of the store turns into deliveries."""
RECEIVER_WORKERS = 96
"""Deliveries at the same time. All receivers share them; with one worker more for each queue, a run
has fewer than POOL_WORKERS (shared/engine/workers.py)."""
RECEIVERS = "webhook receivers"
"""The note with every receiver name ever used. Deliveries to a receiver that is gone fail."""
EVENTS = "event"
"""The name of the job that turns events into deliveries."""
Job = tuple[TaskRunner, Callable[[Workers], None]]
"""The runner of a queue, and the function that starts it."""


class Telling:
    """The work on webhooks in one run. `start` lets the workers begin. Call `result` once they have
    stopped."""

    def __init__(self, invocation: Invocation, connections: Connections) -> None:
        self._invocation = invocation
        self._hand_over = HandOver(invocation, Endpoints(invocation.app))
        self._jobs = dict(_jobs(invocation, self._hand_over, connections))

    def start(self, workers: Workers) -> None:
        for _, start in self._jobs.values():
            start(workers)

    def result(self) -> Mapping[str, Any]:
        """Return how many tasks of each queue had each result, and add these numbers to the stage's
        counters. If the store failed, raise its last error."""
        if counts := self._counts():
            with suppress(StoreUnavailable):  # `check` raises the error
                self._invocation.app.store.count(counts)
        for runner, _ in self._jobs.values():
            runner.check()
        results = {name: msgspec.structs.asdict(job[0].result) for name, job in self._jobs.items()}
        return {"skipped": self._hand_over.skipped, "queues": results}

    def _counts(self) -> Mapping[str, int]:
        results = [job[0].result for name, job in self._jobs.items() if name != EVENTS]
        counts = {
            WebhookResult.TAKEN: sum(each.done for each in results),
            WebhookResult.REFUSED: sum(each.retry + each.dead for each in results),
            WebhookResult.SKIPPED: self._hand_over.skipped,
        }
        return {counters.webhooks(result): count for result, count in counts.items() if count}


def _jobs(
    invocation: Invocation, hand_over: HandOver, connections: Connections
) -> Iterator[tuple[str, Job]]:
    """Yield the queues that a run works on: the events, and each receiver's deliveries."""
    hooks = invocation.app.policy.webhooks
    deadline = invocation.deadline
    stays = _stays(invocation, lambda: 0) if hooks else lambda: False
    events = runner_of(invocation, queue_of(TaskKind.EVENT), deadline, stays=stays)
    stays = _stays(invocation, lambda: events.result.done)
    size = HAND_OVER_ROWS
    yield EVENTS, (events, partial(events.start_in_line, size=size, attempt=hand_over))
    for hook in hooks:
        queue = queue_of(TaskKind.WEBHOOK, hook.name)
        attempts = webhooks.attempts(invocation, hook, hand_over.endpoints, connections)
        runner = runner_of(invocation, queue, deadline, stays=stays)
        count = RECEIVER_WORKERS // len(hooks)
        yield queue, (runner, partial(runner.start, count=count, attempts=attempts))
    for name in _gone(invocation):
        queue = queue_of(TaskKind.WEBHOOK, name)
        runner, size = runner_of(invocation, queue, deadline), HAND_OVER_ROWS
        yield queue, (runner, partial(runner.start_in_line, size=size, attempt=webhooks.refuse))


def _stays(invocation: Invocation, handed_over: Callable[[], int]) -> Callable[[], bool]:
    """Return a function that says whether to check the queue again: it returns False if no time is
    left, else it waits a moment and returns True. The wait ends early if more events were
    `handed_over` meanwhile."""
    needed_s = BACKOFF[TaskKind.WEBHOOK].patience_ms / 1000 + LOOK_AGAIN_S

    def stays() -> bool:
        if invocation.deadline.left() <= needed_s:
            return False
        before, waited_s = handed_over(), 0.0
        while waited_s < LOOK_AGAIN_S and handed_over() == before:
            invocation.app.wait(NOTICE_S)
            waited_s += NOTICE_S
        return True

    return stays


def _gone(invocation: Invocation) -> Iterator[str]:
    """Store the names of new receivers; yield the stored names that the policy no longer has."""
    store = invocation.app.store
    named = {hook.name for hook in invocation.app.policy.webhooks}
    note = store.get_text(RECEIVERS)
    known = set(decode(note, list[str])) if note else set[str]()
    if named - known:
        store.set_text(RECEIVERS, msgspec.json.encode(sorted(known | named)).decode())
    yield from sorted(known - named)

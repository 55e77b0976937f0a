"""Builds the runner that does the durable tasks of one queue within the time of a call.

The functions files, deliver and notify use this module. It knows no kind of task.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from shared.engine.task_runner import Crashed, TaskRunner
from shared.invocation.invocation import Invocation
from shared.outbox.backoff import backoff_of
from shared.outbox.event import EventBody, EventType, event_task
from shared.outbox.task import NewTask, Task
from shared.retry import Deadline


def events_of(
    invocation: Invocation,
    task: Task,
    event: EventType,
    data: Mapping[str, str | int | None],
    at_ms: int,
) -> tuple[NewTask, ...]:
    """Return the webhook event about a task, as a task to store; nothing if no receiver in the
    policy wants such events."""
    if not event.fits(invocation.app.policy.event_globs(task.stream)):
        return ()
    body = EventBody(event, at_ms, data)
    return (event_task(task.stream, body, at_ms, origin=f"{task.id} {task.version}"),)


def runner_of(
    invocation: Invocation,
    queue: str,
    deadline: Deadline,
    *,
    stays: Callable[[], bool] = lambda: False,
    crashed: Crashed = lambda _task, failed: failed,
) -> TaskRunner:
    """Return the runner of a queue. The runner begins an attempt only if one fits before the
    deadline. If nothing is due, `stays` waits, and returns whether to check again. `crashed` gets
    the failure of an attempt that crashed, and returns the outcome to store."""
    patience_s = backoff_of(queue).patience_ms / 1000
    return TaskRunner(
        invocation.app.store,
        queue,
        has_time=lambda: deadline.left() > patience_s,
        jitter=random.random,
        report=invocation.report_failed,
        stays=stays,
        crashed=crashed,
    )

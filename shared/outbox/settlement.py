"""Decides the result of a task after an attempt: done, retried, or failed for good."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from shared.outbox.backoff import backoff_of
from shared.outbox.task import NewTask, Task, TaskKind
from shared.protocol.file import FileVerdict

WHY_CHARS = 300
"""Characters kept of an attempt's error."""


class Done(Struct, frozen=True):
    """The outcome if the task is done. In one step, the store then removes the task, stores
    `verdict` with the file `uri` (if there is a verdict), and adds `tasks`."""

    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


class Failed(Struct, frozen=True):
    """The outcome if the attempt failed. The task is retried. But if `is_final`, or if this was the
    last attempt, it becomes a dead letter, which only a person's request retries; only then are
    `tasks` added. `verdict` is the present verdict on the file `uri`; None leaves the stored
    verdict unchanged. `body` is the task's body from now on; "" leaves it unchanged."""

    why: str
    is_final: bool = False
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    body: str = ""


UNREADABLE = Failed("the body of the task cannot be read", is_final=True)


class Continued(Struct, frozen=True):
    """The outcome if one step of the task is done. The task is due again at once, with no attempt
    counted; from now on it has this `kind`, which may be another one, and this `body`. `verdict` is
    the present verdict on the file `uri`; None leaves the stored verdict unchanged. `tasks` are
    added."""

    kind: TaskKind
    body: str
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


Outcome: TypeAlias = Done | Failed | Continued


class Next(str, Enum):
    DONE = "done"
    RETRY = "retry"
    CONTINUE = "continue"
    DEAD = "dead"


class Settlement(Struct, frozen=True):
    """What the store does with a task after an attempt. `next`: it removes the task, retries it in
    `retry_in_ms`, makes it due now with no attempt counted, or makes it a dead letter. A `kind` or
    `body` other than "" replaces that of the task. In the same step the store stores `verdict` with
    the file `uri`, unless it is None, and adds `tasks`."""

    next: Next
    retry_in_ms: int = 0
    why: str = ""
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    kind: str = ""
    body: str = ""


def settlement(task: Task, outcome: Outcome, jitter: float) -> Settlement:
    """Return what the store does with the task after this outcome of an attempt. `jitter`, at least
    0 and less than 1, shortens the pause before a retry."""
    if isinstance(outcome, Done):
        return Settlement(Next.DONE, uri=outcome.uri, verdict=outcome.verdict, tasks=outcome.tasks)
    if isinstance(outcome, Continued):
        return Settlement(
            Next.CONTINUE,
            uri=outcome.uri,
            verdict=outcome.verdict,
            tasks=outcome.tasks,
            kind=outcome.kind.value,
            body=outcome.body,
        )
    backoff, why = backoff_of(task.queue), outcome.why[:WHY_CHARS]
    is_dead = outcome.is_final or task.attempts >= backoff.attempts
    return Settlement(
        Next.DEAD if is_dead else Next.RETRY,
        retry_in_ms=0 if is_dead else backoff.pause_ms(task.attempts, jitter),
        why=why,
        uri=outcome.uri,
        verdict=outcome.verdict,
        tasks=outcome.tasks if is_dead else (),
        body=outcome.body,
    )

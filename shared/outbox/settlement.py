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
    """Nothing is left to do. One step removes the task, stores `verdict` with the file `uri`, and
    adds `tasks`."""

    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


class Failed(Struct, frozen=True):
    """The attempt failed. If `is_final`, only a person's request retries it. `verdict` is the
    present verdict on the file `uri`; None leaves the stored verdict unchanged. `tasks` are added
    if this was the last attempt. `body` is the next attempt's; "" keeps it.
    """

    why: str
    is_final: bool = False
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    body: str = ""


UNREADABLE = Failed("the body of the task cannot be read", is_final=True)


class Continued(Struct, frozen=True):
    """A step of the task is done. The next step is due at once with all its attempts: a task of
    `kind`, which may be another one, with `body`. `verdict` is the present verdict on the file
    `uri`; None leaves the stored verdict unchanged. `tasks` are added.
    """

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
    """The store's next step for a task that was taken: remove it, retry it in `retry_in_ms`, make
    it due now with all its attempts, or make it a dead letter. A `kind` or `body` other than ""
    replaces the task's. The same step stores `verdict` with the file `uri`, and adds `tasks`.
    """

    next: Next
    retry_in_ms: int = 0
    why: str = ""
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    kind: str = ""
    body: str = ""


def settlement(task: Task, outcome: Outcome, jitter: float) -> Settlement:
    """Return what to do with the task; `jitter` is at least 0 and less than 1."""
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

"""Decides what becomes of a task after an attempt: done, retried, or failed for good."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from shared.outbox.backoff import backoff_of
from shared.outbox.task import NewTask, Task, TaskKind
from shared.protocol.file import FileVerdict

WHY_CHARS = 300
"""Of what an attempt failed with."""


class Done(Struct, frozen=True):
    """There is nothing left to do. `verdict` is stored beside the file `uri`, and `tasks` follow
    from it: both in the step that removes the task."""

    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


class Failed(Struct, frozen=True):
    """The attempt failed. Nothing but a person's request repeats one that `is_final`. `verdict` is
    what is known of the file `uri` so far; `tasks` follow if this was the last attempt, and
    `body` is that of the next one, "" for the same."""

    why: str
    is_final: bool = False
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    body: str = ""


class Continued(Struct, frozen=True):
    """A step of the task is done, and the next is due at once, with all its attempts: as a task of
    `kind`, which may be another one, with `body`. `verdict` is what is known of the file `uri`, and
    `tasks` follow from it."""

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
    """What a store makes of a task that was taken: it is gone, due again in `retry_in_ms`, due now
    with all its attempts, or a dead letter. A `kind` or `body` that is not "" takes the place of
    what the task had. `verdict` is stored beside the file `uri`, and `tasks` are added, in the same
    step."""

    next: Next
    retry_in_ms: int = 0
    why: str = ""
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()
    kind: str = ""
    body: str = ""


def settlement(task: Task, outcome: Outcome, jitter: float) -> Settlement:
    """Return what becomes of the task; `jitter` is at least 0 and less than 1."""
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

"""Decides what becomes of a task after an attempt: done, retried, or failed for good."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from shared.outbox.backoff import backoff_of
from shared.outbox.task import NewTask, Task
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
    what is known of the file `uri` so far; `tasks` follow if this was the last attempt."""

    why: str
    is_final: bool = False
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


Outcome: TypeAlias = Done | Failed


class Next(str, Enum):
    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"


class Settlement(Struct, frozen=True):
    """What a store makes of a task that was taken: it is gone, due again in `retry_in_ms`, or a
    dead letter. `verdict` is stored beside the file `uri`, and `tasks` are added, in the same step.
    """

    next: Next
    retry_in_ms: int = 0
    why: str = ""
    uri: str = ""
    verdict: FileVerdict | None = None
    tasks: tuple[NewTask, ...] = ()


def settlement(task: Task, outcome: Outcome, jitter: float) -> Settlement:
    """Return what becomes of the task; `jitter` is at least 0 and less than 1."""
    if isinstance(outcome, Done):
        return Settlement(Next.DONE, uri=outcome.uri, verdict=outcome.verdict, tasks=outcome.tasks)
    backoff, why = backoff_of(task.queue), outcome.why[:WHY_CHARS]
    is_dead = outcome.is_final or task.attempts >= backoff.attempts
    return Settlement(
        Next.DEAD if is_dead else Next.RETRY,
        retry_in_ms=0 if is_dead else backoff.pause_ms(task.attempts, jitter),
        why=why,
        uri=outcome.uri,
        verdict=outcome.verdict,
        tasks=outcome.tasks if is_dead else (),
    )

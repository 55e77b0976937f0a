"""How often and for how long each kind of task is retried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from shared.outbox.task import TaskKind
from shared.protocol.durations import doubled

LEASE_SPARE_MS = 6_000
"""ms by which a lease is longer than its task may take, so that the result can be stored in
time."""
JITTER_PERCENT = 25
"""A pause is shortened by up to this part of itself, so that tasks which failed together do not
return together."""


class Backoff(Struct, frozen=True):
    """How the tasks of one kind are retried. An attempt may take `patience_ms`. The first pause
    between two attempts is `first_ms`; each further pause is twice as long as the one before, but
    at most `most_ms`. After `attempts` failed attempts the task becomes a dead letter."""

    patience_ms: int
    first_ms: int
    most_ms: int
    attempts: int

    @property
    def lease_ms(self) -> int:
        """Return for how many ms a task that was taken is given to nobody else."""
        return self.patience_ms + LEASE_SPARE_MS

    def pause_ms(self, attempts: int, jitter: float) -> int:
        """Return the pause before the next attempt, in ms, if `attempts` have failed. `jitter`, at
        least 0 and less than 1, shortens the pause by up to a quarter."""
        pause = doubled(self.first_ms, max(attempts - 1, 0), self.most_ms)
        return round(pause * (1 - JITTER_PERCENT / 100 * jitter))


BACKOFF: Final[Mapping[TaskKind, Backoff]] = {
    # An object is there when Live reports it, or minutes later; a day covers OSS being away.
    TaskKind.VERIFY_FILE: Backoff(20_000, first_ms=5_000, most_ms=3_600_000, attempts=30),
    # A message that is two hours old helps nobody; a robot may be muted for ten minutes.
    TaskKind.MESSAGE: Backoff(12_000, first_ms=5_000, most_ms=300_000, attempts=30),
    # It needs only the store, and nothing is taken while the store is away.
    TaskKind.EVENT: Backoff(5_000, first_ms=1_000, most_ms=60_000, attempts=100),
    # 5 s for the call and 1 s for the rest; retried for some three days.
    TaskKind.WEBHOOK: Backoff(6_000, first_ms=5_000, most_ms=21_600_000, attempts=26),
    # One step copies one part. A target may be away for days: its files wait four days.
    TaskKind.DELIVER_FILE: Backoff(40_000, first_ms=10_000, most_ms=3_600_000, attempts=105),
}
LONGEST_WAIT_MS = max(max(each.most_ms, each.lease_ms) for each in BACKOFF.values())
"""A task is due at most this far ahead (ms). One further ahead was stored before the store's clock
was set back, and counts as due."""


def backoff_of(queue: str) -> Backoff:
    """Return how the tasks of a queue are retried. The kind of its tasks is the first part of a
    queue's name (`queue_of`). Raise ValueError if this release does not know the kind."""
    return BACKOFF[TaskKind(queue.partition(":")[0])]

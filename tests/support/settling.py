"""Settles one task; a run settles many at once."""

from __future__ import annotations

from shared.outbox.settlement import Settlement
from shared.outbox.task import Task
from shared.store import Store


def settle(store: Store, task: Task, settled: Settlement) -> bool:
    """Settle the task; return False if it was taken again or is gone."""
    (is_ours,) = store.settle_tasks([(task, settled)])
    return is_ours

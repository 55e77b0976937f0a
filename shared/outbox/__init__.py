"""Durable tasks: what follows from a change and is done later, at least once.

The store keeps them and the engine's task runner does them. It is pure: it knows neither the clock
nor the store.
"""

from __future__ import annotations

from shared.outbox.backoff import BACKOFF, LONGEST_WAIT_MS, Backoff, backoff_of
from shared.outbox.message import MessageBody, SinkState, message_task
from shared.outbox.settlement import Done, Failed, Next, Outcome, Settlement, settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    DROPPED,
    OUTBOX_MAX_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
    TaskKind,
)
from shared.outbox.verify_file import VerifyFile, verify_file

__all__ = [
    "BACKOFF",
    "DEAD_MAX_BYTES",
    "DROPPED",
    "LONGEST_WAIT_MS",
    "OUTBOX_MAX_BYTES",
    "Backoff",
    "Done",
    "Failed",
    "MessageBody",
    "NewTask",
    "Next",
    "OutboxState",
    "Outcome",
    "Redriven",
    "Settlement",
    "SinkState",
    "Task",
    "TaskKind",
    "VerifyFile",
    "backoff_of",
    "message_task",
    "settlement",
    "verify_file",
]

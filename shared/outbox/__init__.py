"""Durable tasks: work that follows from a change and is done later, at least once.

The store keeps them, and the engine's task runner does them. The package is pure: it knows neither
clock nor store.
"""

from __future__ import annotations

from shared.outbox.backoff import BACKOFF, LONGEST_WAIT_MS, Backoff, backoff_of
from shared.outbox.deliver_file import PART_BYTES, DeliverFile, deliver_next
from shared.outbox.endpoint import (
    Endpoint,
    EndpointPhase,
    WebhookTestAnswer,
    answer_note_of,
    endpoint_note,
    endpoint_of,
    note_of,
)
from shared.outbox.event import (
    EventBody,
    EventType,
    WebhookBody,
    event_task,
    webhook_task,
)
from shared.outbox.message import MessageBody, SinkState, message_task
from shared.outbox.settlement import Continued, Done, Failed, Next, Outcome, Settlement, settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    DROPPED,
    OF_STAGE,
    OUTBOX_MAX_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
    TaskKind,
    queue_of,
    size_of,
)
from shared.outbox.verify_file import VerifyFile, verify_file

__all__ = [
    "BACKOFF",
    "DEAD_MAX_BYTES",
    "DROPPED",
    "LONGEST_WAIT_MS",
    "OF_STAGE",
    "OUTBOX_MAX_BYTES",
    "PART_BYTES",
    "Backoff",
    "Continued",
    "DeliverFile",
    "Done",
    "Endpoint",
    "EndpointPhase",
    "EventBody",
    "EventType",
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
    "WebhookBody",
    "WebhookTestAnswer",
    "answer_note_of",
    "backoff_of",
    "deliver_next",
    "endpoint_note",
    "endpoint_of",
    "event_task",
    "message_task",
    "note_of",
    "queue_of",
    "settlement",
    "size_of",
    "verify_file",
    "webhook_task",
]

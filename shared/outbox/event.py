"""An event about one change, and the task to deliver it to one webhook receiver.

In most cases an event is stored in the same step as the change itself. Later, the function `notify`
builds the payload, and turns the event into one delivery for each receiver of the policy that wants
it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct, field

from shared.outbox.task import NewTask, TaskKind
from shared.protocol.stream import StreamKey

DIGEST_CHARS = 12
ORDERS_NUMBER = 16**5


class EventType(str, Enum):
    RECORDING_REQUESTED = "recording.requested"
    RECORDING_WITHDRAWN = "recording.withdrawn"
    RECORDING_END_SET = "recording.end_set"
    RECORDING_STARTED = "recording.started"
    RECORDING_INTERRUPTED = "recording.interrupted"
    RECORDING_STOPPED = "recording.stopped"
    RECORDING_FAILED = "recording.failed"
    RECORDING_UNMANAGED = "recording.unmanaged"
    SESSION_STARTED = "session.started"
    SESSION_ENDED = "session.ended"
    FILE_CREATED = "file.created"
    FILE_FAILED = "file.failed"
    FILE_VERIFIED = "file.verified"
    FILE_DELIVERING = "file.delivering"
    FILE_DELIVERED = "file.delivered"
    FILE_DELIVERY_FAILED = "file.delivery_failed"
    GAP_OPENED = "gap.opened"
    GAP_CLOSED = "gap.closed"
    ALERT_RAISED = "alert.raised"
    ALERT_ESCALATED = "alert.escalated"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_RESOLVED = "alert.resolved"
    STAGE_POLICY_APPLIED = "stage.policy_applied"
    WEBHOOK_TEST = "webhook.test"

    def fits(self, globs: Iterable[str]) -> bool:
        """Return True if one of the globs matches the event's type."""
        return any(fnmatchcase(self.value, glob) for glob in globs)


class EventBody(Struct, frozen=True, omit_defaults=True):
    """The body of an event task. `at` is when the change happened, in ms, and `data` the event's
    own fields. `reason` and `about` are those of the history entry about the change; empty if there
    is none. `only` is the receiver of a test event; "" for all other events. `of` is for an event
    that is stored with the stage, such as an alert: the stream that the event is about; None if it
    is about no single stream."""

    type: EventType
    at: int
    data: Mapping[str, str | int | None] = field(default_factory=dict)
    reason: str = ""
    about: Mapping[str, str | int] = field(default_factory=dict)
    only: str = ""
    of: StreamKey | None = None


def event_task(
    key: StreamKey, body: EventBody, at_ms: int, *, origin: str, order: int = 0
) -> NewTask:
    """Return the task of an event about the stream `key`, or about the stage (OF_STAGE).

    The task's id begins with `at_ms` and with `order`, a number among the changes in that ms. So
    the ids of a stream's events sort in the order of its changes. The rest of the id is a digest of
    the stream, the type and `origin`. `origin` may be any text that no other change of the stream
    has.
    """
    named = f"{key.domain}\x00{key.app}\x00{key.stream}\x00{body.type.value}\x00{origin}"
    digest = hashlib.sha256(named.encode()).hexdigest()[:DIGEST_CHARS]
    text = msgspec.json.encode(body).decode()
    return NewTask(f"{at_ms:011x}{order % ORDERS_NUMBER:05x}{digest}", TaskKind.EVENT, text)


class WebhookBody(Struct, frozen=True):
    """The body of a delivery task: the event's id, and the payload to sign and send."""

    id: str
    payload: str
    is_test: bool = False


def webhook_task(receiver: str, body: WebhookBody) -> NewTask:
    """Return the task to deliver an event to a receiver. For the same event and receiver, its id is
    always the same."""
    text = msgspec.json.encode(body).decode()
    return NewTask(f"{body.id}-{receiver}", TaskKind.WEBHOOK, text, receiver=receiver)

"""An event about one change, and its delivery to one webhook receiver.

The engine stores the event in the save that makes the change. The function `notify` turns it into
one delivery for each receiver of the policy, and builds the payload then.
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
    """The body of an event task: what changed, and when, in ms. `reason` and `about` are those of a
    history entry. `only` names the receiver of a test. `of` is the stream that an event of the
    stage is about.
    """

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
    """Return the task of an event.

    Its id begins with `at_ms` and with the `order` within that ms, so that the ids of a stream sort
    in the order of its changes. The rest of the id is a digest of the stream, the type and the
    `origin`. The `origin` identifies the change within the stream.
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
    """Return the delivery of an event to a receiver. The same delivery always gets the same id."""
    text = msgspec.json.encode(body).decode()
    return NewTask(f"{body.id}-{receiver}", TaskKind.WEBHOOK, text, receiver=receiver)

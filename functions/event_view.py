"""Builds the payload of an event, as a webhook receiver gets it (Standard Webhooks specification).

`notify` sends the payload, and `record_command` describes it in the OpenAPI document. This module
sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from shared.decoding import convert
from shared.inbound.catalogue import text
from shared.outbox.event import EventBody
from shared.outbox.task import OF_STAGE, Task
from shared.protocol.durations import rfc3339
from shared.protocol.reason import HistoryEntry, Reason

SCHEMA_NUMBER: Literal[1] = 1
"""The version of the payloads. A change that would break today's receivers raises it."""
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Name = Annotated[str, Meta(description="`domain/app/stream`")]
Session = Annotated[int, Meta(description="which publish of the stream, from 1")]


class EventReason(Struct, frozen=True, omit_defaults=True):
    """Why the event happened: a code of docs/errors.md, and its sentence."""

    code: str
    text: str


class RecordingData(Struct, frozen=True, omit_defaults=True):
    stream: Name
    session: Session | None = None
    requester: (
        Annotated[
            str,
            Meta(
                description="who asked: `person`, `policy` or `schedule`; `end`: an earlier intent"
                " ended"
            ),
        ]
        | None
    ) = None
    until: (
        Annotated[
            Time, Meta(description="when the recording will be stopped; absent: no end is set")
        ]
        | None
    ) = None
    reason: EventReason | None = None


class SessionData(Struct, frozen=True, omit_defaults=True):
    stream: Name
    session: Session


class FileData(Struct, frozen=True, omit_defaults=True):
    stream: Name
    uri: Annotated[str, Meta(description="the name of the object")] | None = None
    start: Time | None = None
    stop: Time | None = None
    duration_ms: int | None = None
    outcome: (
        Annotated[str, Meta(description="the verdict of the check, as in `GET …/files`")] | None
    ) = None
    target: Annotated[str, Meta(description="where the copy is: `s3://bucket/name`")] | None = None
    copied_bytes: int | None = None
    size_bytes: int | None = None
    segments: (
        Annotated[int, Meta(description="how many segments the copied playlist has")] | None
    ) = None
    copied_segments: int | None = None
    why: Annotated[str, Meta(description="why the last attempt to copy the file failed")] | None = (
        None
    )
    reason: EventReason | None = None


class GapData(Struct, frozen=True, omit_defaults=True):
    stream: Name
    since: Annotated[Time, Meta(description="the beginning of the gap; the same in all its events")]
    until: Time | None = None
    ms: Annotated[int, Meta(description="how long the gap lasted")] | None = None
    reason: EventReason | None = None


class AlertData(Struct, frozen=True, omit_defaults=True):
    alert: Annotated[
        str, Meta(description="the id of the alert; the same each time that the condition returns")
    ]
    condition: Annotated[str, Meta(description="a code of docs/notify.md")]
    severity: Annotated[str, Meta(description="`info`, `warning` or `critical`")]
    since: Time
    text: Annotated[str, Meta(description="what is wrong, in words")]
    subject: Annotated[str, Meta(description="the stream, or the part of the stage")] = ""
    stream: Name | None = None
    by: Annotated[str, Meta(description="who acknowledged it")] | None = None
    note: Annotated[str, Meta(description="the note of this person")] | None = None
    sink: Annotated[str, Meta(description="the robot that now gets the alert")] | None = None


class StageData(Struct, frozen=True, omit_defaults=True):
    version: Annotated[int, Meta(description="the version of the policy")] | None = None


class WebhookTestData(Struct, frozen=True, omit_defaults=True):
    receiver: str


class _Envelope(Struct, frozen=True, kw_only=True):
    id: Annotated[
        str,
        Meta(description="the same in each delivery of the event, and in the header `webhook-id`"),
    ]
    schema: Annotated[Literal[1], Meta(description="the version of this schema")] = SCHEMA_NUMBER
    timestamp: Annotated[Time, Meta(description="when it happened")]
    stage: str
    sequence: Annotated[int, Meta(description="rises with each event of the stage")]


class RecordingEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal[
        "recording.requested",
        "recording.withdrawn",
        "recording.end_set",
        "recording.started",
        "recording.interrupted",
        "recording.stopped",
        "recording.failed",
        "recording.unmanaged",
    ]
    data: RecordingData


class SessionEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal["session.started", "session.ended"]
    data: SessionData


class FileEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal[
        "file.created",
        "file.failed",
        "file.verified",
        "file.delivering",
        "file.delivered",
        "file.delivery_failed",
    ]
    data: FileData


class GapEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal["gap.opened", "gap.closed"]
    data: GapData


class AlertEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal["alert.raised", "alert.escalated", "alert.acknowledged", "alert.resolved"]
    data: AlertData


class StageEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal["stage.policy_applied"]
    data: StageData


class WebhookTestEvent(_Envelope, frozen=True, kw_only=True):
    type: Literal["webhook.test"]
    data: WebhookTestData


FAMILIES: Mapping[str, type[_Envelope]] = {
    "recording": RecordingEvent,
    "session": SessionEvent,
    "file": FileEvent,
    "gap": GapEvent,
    "alert": AlertEvent,
    "stage": StageEvent,
    "webhook": WebhookTestEvent,
}
"""The type of the payload, by family of events. The family is the part of an event's type before
the dot."""
_TIMES = ("since", "until", "start", "stop")


def payload_of(task: Task, body: EventBody, stage: str) -> str:
    """Return the payload of an event as JSON text, which is signed and sent unchanged."""
    stream = body.of or task.stream
    data: dict[str, Any] = {"stream": str(stream)} if stream != OF_STAGE else {}
    for name, value in body.data.items():
        is_time = name in _TIMES and isinstance(value, int)
        data[name] = rfc3339(int(value or 0)) if is_time else value
    if body.reason:
        entry = HistoryEntry(Reason(body.reason), body.about)
        data["reason"] = {"code": body.reason, "text": text(entry)}
    document = {
        "id": task.id,
        "schema": SCHEMA_NUMBER,
        "type": body.type.value,
        "timestamp": rfc3339(body.at),
        "stage": stage,
        "sequence": task.sequence,
        "data": data,
    }
    family = FAMILIES[body.type.value.partition(".")[0]]
    return msgspec.json.encode(convert(document, family)).decode()

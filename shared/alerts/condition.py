"""A condition: what is wrong, with which stream or part of the stage, since when, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from shared.protocol.policy import AlertSeverity, ConditionCode
from shared.protocol.reason import HistoryEntry
from shared.protocol.stream import StreamKey

ID_CHARS = 8


SEVERITIES: Final[Mapping[ConditionCode, AlertSeverity]] = {
    ConditionCode.NOT_RECORDED: AlertSeverity.CRITICAL,
    ConditionCode.NAMES_UNUSABLE: AlertSeverity.CRITICAL,
    ConditionCode.NOT_STOPPED: AlertSeverity.WARNING,
    ConditionCode.UNCONFIRMED: AlertSeverity.WARNING,
    ConditionCode.FILE_UNVERIFIED: AlertSeverity.WARNING,
    ConditionCode.SCHEDULED_NOT_LIVE: AlertSeverity.WARNING,
    ConditionCode.OCCURRENCE_MISSED: AlertSeverity.WARNING,
    ConditionCode.OCCURRENCE_HELD: AlertSeverity.WARNING,
    ConditionCode.NOT_REHEARSED: AlertSeverity.WARNING,
    ConditionCode.SCHEDULES_UNPLANNED: AlertSeverity.WARNING,
    ConditionCode.UNMANAGED: AlertSeverity.INFO,
    ConditionCode.QUEUE_LATE: AlertSeverity.WARNING,
    ConditionCode.CALLBACKS_SILENT: AlertSeverity.WARNING,
    ConditionCode.TIMER_SILENT: AlertSeverity.CRITICAL,
    ConditionCode.STORE_FULL: AlertSeverity.CRITICAL,
    ConditionCode.STORE_NEARLY_FULL: AlertSeverity.WARNING,
    ConditionCode.STORE_EMPTIED: AlertSeverity.CRITICAL,
    ConditionCode.WEBHOOK_CLOSED: AlertSeverity.WARNING,
    ConditionCode.RECEIVERS_UNSET: AlertSeverity.WARNING,
    ConditionCode.COPIES_FAIL: AlertSeverity.WARNING,
    ConditionCode.TASKS_LATE: AlertSeverity.WARNING,
    ConditionCode.TASKS_DEAD: AlertSeverity.WARNING,
    ConditionCode.TASKS_DROPPED: AlertSeverity.WARNING,
}
ONLY_ON_REQUEST: Final = frozenset({ConditionCode.UNMANAGED})
"""Conditions that are reported only if a rule of the policy names them."""


class Condition(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong now, since `since`. `subject` names in words what is concerned: a
    stream, an application or a part of the stage. `stream` is the key of the stream, or of the
    application (the key's `stream` is then empty); None if the condition is about the stage. The
    condition's text is made from `cause`, which becomes a sentence, and from `about`, which fills
    the placeholders."""

    code: str
    severity: AlertSeverity
    since: int
    subject: str = ""
    stream: StreamKey | None = None
    cause: HistoryEntry | None = None
    about: Mapping[str, str | int] = {}

    @property
    def id(self) -> str:
        """Return an id that is made of the code and the subject. So the same fault has the same id
        in every evaluation."""
        named = f"{self.code}\0{self.subject}"
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:ID_CHARS]


def of_stream(
    code: ConditionCode,
    key: StreamKey,
    since: int,
    cause: HistoryEntry | None = None,
    about: Mapping[str, str | int] | None = None,
) -> Condition:
    subject = str(key).rstrip("/")  # the key of an application has an empty stream
    return Condition(code.value, SEVERITIES[code], since, subject, key, cause, about or {})


def of_stage(
    code: ConditionCode, since: int, about: Mapping[str, str | int] | None = None, subject: str = ""
) -> Condition:
    return Condition(code.value, SEVERITIES[code], since, subject, about=about or {})

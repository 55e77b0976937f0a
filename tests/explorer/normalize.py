"""Moves times into the past as time passes, and equalizes values that can no longer make a
difference."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol import StreamRecord, StreamSettings
from shared.protocol.policy import OnInterruption
from shared.protocol.rules.retention import ABSENCE_POLL_MS
from shared.protocol.state.command import IN_DOUBT_MS
from shared.protocol.state.confirmation import STOPPED, Confirmation, LastReport
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.session import Session, SessionState
from tests.explorer.world import FAR, NOW

T = TypeVar("T", bound=Struct)
FAR_AWAY_MS = 2 * FAR
"""A time further ahead than FAR is put here."""
OLD = 300_000
"""No rule looks further back than this; every merge delay of a scenario is shorter."""
YOUNG = 120_000
"""No rule looks further back than this either, except to compare with the merge delay."""
_TIME = re.compile(r"(.*_)?(at|until|time|since|before|published|now|start|stop|from)$")
_TRUE_TIMES = (
    "time",
    "publish_time",
    "published",
    "last_unpublish_time",
    "unseen_end_time",
    "unverified_publish_time",
    "before_time",
    "emptied_at",  # compared with Live's times
    "found_empty_at",
)
"""Times of Live, which are compared with each other however old they are."""


def earlier(value: T, ms: int, true_ms: int) -> T:
    """Return the value as it is once `ms` have passed: each field whose name says that it is a
    time, at any depth, is earlier by `ms`; Live's own times by `true_ms`."""
    changes: dict[str, Any] = {}
    for name, is_time in _parts(type(value)):
        part = getattr(value, name)
        if is_time and isinstance(part, int) and part:
            changes[name] = part - true_ms if name in _TRUE_TIMES else _clamped(part, ms)
        elif isinstance(part, Struct):
            changes[name] = earlier(part, ms, true_ms)
        elif isinstance(part, tuple) and part and isinstance(part[0], Struct):
            changes[name] = tuple(earlier(one, ms, true_ms) for one in part)
    if isinstance(value, StreamRecord) and value.forget_at is not None:
        moved = changes.get("forget_at", value.forget_at) - value.forget_at
        changes |= _as_far_apart(value, moved)
    return replace(value, **changes) if changes else value


def _as_far_apart(record: StreamRecord, moved: int) -> dict[str, Any]:
    """Return the times from which `forget_at` is computed, moved as far as `forget_at` itself."""
    polled_at = record.absence_polled_at
    return {
        "changed_at": record.changed_at + moved,
        "absence_polled_at": None if polled_at is None else polled_at + moved,
    }


def _clamped(time: int, ms: int) -> int:
    """Return the time moved into the past by `ms`. A time far ahead stays so, unless `ms` reaches
    that far."""
    is_far = time > NOW + FAR and ms < FAR_AWAY_MS
    return NOW + FAR_AWAY_MS if is_far else max(min(time, NOW + FAR_AWAY_MS) - ms, NOW - OLD)


@cache
def _parts(kind: type[Struct]) -> tuple[tuple[str, bool], ...]:
    return tuple((name, bool(_TIME.match(name))) for name in kind.__struct_fields__)


def bare(record: StreamRecord, settings: StreamSettings) -> StreamRecord:
    """Return the record without what only people see, and with equal values for all times that can
    make no difference any more. No rule reads more than this."""
    if record.is_blank:
        return record
    pending, flight = record.pending, record.flight
    old = NOW - max(settings.merge_delay, YOUNG)
    return replace(
        record,
        answer=None,
        changed_at=_bare_changed_at(record, settings),
        forget_at=_bare_forget_at(record),
        absence_polled_at=_bare_absence_polled_at(record),
        planned=tuple(replace(one, starts_at=NOW) for one in record.planned),
        begun=tuple(replace(one, starts_at=NOW) for one in record.begun),
        pending=pending and replace(pending, since=NOW),
        flight=flight and replace(flight, since=NOW),
        intent=_bare_intent(record),
        session=record.session and _bare_session(record.session, record.intent),
        confirmation=record.confirmation and _bare_started(record, record.confirmation, settings),
        failure=record.failure and replace(record.failure, at=NOW, lost_since=None),
        stop_check=record.stop_check if settings.status_known else None,
        last_report=record.last_report
        and _bare_evidence(record.last_report, record.stopped_at, old),
        interrupted_at=_not_before(old, record.interrupted_at),
        interrupted_latest_at=_not_before(old, record.interrupted_latest_at),
        stopped_at=_not_before(old, record.stopped_at),
        stop_not_found_at=_not_before(old, record.stop_not_found_at),
    )


def _bare_forget_at(record: StreamRecord) -> int | None:
    return None if record.forget_at is None else _clamped(record.forget_at, 0)


def _is_put_off(record: StreamRecord) -> bool:
    """Return True if a poll that was to prove the stream absent has put off the end of the
    record."""
    polled_at = record.absence_polled_at
    return polled_at is not None and record.forget_at == polled_at + ABSENCE_POLL_MS


def _bare_changed_at(record: StreamRecord, settings: StreamSettings) -> int:
    """Return a time that fits `forget_at`, which is the only use of `changed_at`."""
    forget_at = _bare_forget_at(record)
    if forget_at is None:
        return 0
    return NOW - OLD if _is_put_off(record) else forget_at - settings.keep


def _bare_absence_polled_at(record: StreamRecord) -> int | None:
    forget_at = _bare_forget_at(record)
    return forget_at - ABSENCE_POLL_MS if forget_at and _is_put_off(record) else None


def _not_before(old: int, time: int | None) -> int | None:
    return None if time is None else max(old, time)


def _bare_intent(record: StreamRecord) -> Intent:
    intent = record.intent
    until = None if intent.until is None else _clamped(intent.until, 0)
    long = until is not None and until > NOW + FAR
    first = intent.first_accepted_at
    if first is not None and intent.on_interruption is not OnInterruption.RESUME:
        first = max(first, NOW - OLD)  # tells which session it was accepted in
    elif first is not None and long:
        first = NOW
    held = None if intent.held_until is None else _clamped(intent.held_until, 0)
    waits = intent.requester is Requester.POLICY and record.session is None
    made_at = intent.made_at if waits else NOW
    bound = intent.session and intent.on_interruption is not OnInterruption.RESUME
    if bound or intent.held_session is not None:  # tells which sessions it ends with, or holds for
        made_at = max(intent.made_at, NOW - OLD)
    return replace(
        intent,
        until=until,
        held_until=held,
        first_accepted_at=first,
        made_at=made_at,
    )


def _bare_session(session: Session, intent: Intent) -> Session:
    opened_at = session.opened_at
    if intent.held_opening_before is None:
        opened_at = max(opened_at, NOW - YOUNG)
    if session.state is SessionState.ENDING:
        return replace(session, opened_at=opened_at)
    off_since = session.off_since and max(session.off_since, NOW - YOUNG)
    absent_at = off_since if session.state is SessionState.ENDED else None
    return replace(session, opened_at=opened_at, off_since=off_since, polls=0, absent_at=absent_at)


def _bare_started(
    record: StreamRecord, confirmation: Confirmation, settings: StreamSettings
) -> Confirmation:
    """Return the confirmation with the times that still matter. `at` matters for its check, and to
    tell its files from older ones. `since` matters for a publish that is reported later than the
    list shows it, and for a pause that may last. If reports come, `sent_at` matters for such a
    pause, and `older_until` for a recording that was reported late."""
    needed = settings.status_known or confirmation.check_at is not None
    at = confirmation.at if needed else NOW
    may_learn = record.session is not None and record.session.time is None
    may_be_paused = NOW - record.paused_since < settings.merge_delay
    counts = may_learn or may_be_paused
    since = confirmation.since if counts else max(confirmation.since, at)
    reports = settings.status_known
    older_until = confirmation.older_until if reports else 0
    return replace(
        confirmation,
        at=at,
        since=max(since, NOW - OLD),
        unshown_since=None,
        sent_at=confirmation.sent_at if reports and may_be_paused else 0,
        older_until=older_until if older_until > NOW else 0,
    )


def _bare_evidence(last_report: LastReport, stopped_at: int | None, old: int) -> LastReport:
    """Return the report with its time if that still matters: while a command may be in flight,
    against the last stop, and, if Live paused, for as long as a pause may last."""
    if last_report.recording:
        newer = last_report.at > (stopped_at or 0)
        return replace(last_report, at=max(last_report.at, old + newer))
    if last_report.what == STOPPED:
        return replace(last_report, at=max(last_report.at, NOW - IN_DOUBT_MS - 1))
    paused = last_report.what == "record_paused"
    return replace(last_report, at=max(last_report.at, old) if paused else NOW)


class Pool:
    """A numbering of values: equal values get the same number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._values: list[Any] = []

    def put(self, value: object) -> int:
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def __getitem__(self, number: int) -> Any:  # noqa: ANN401 - whatever was put
        return self._values[number]

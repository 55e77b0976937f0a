"""Builds the full answers about a stream, from its record, its history and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from msgspec.structs import asdict

from functions.file_view import is_object, view_of
from functions.record_command.answers import (
    FlightView,
    HistoryLineView,
    LastAnswerView,
    LastReportView,
    LinkedFileView,
    PendingView,
    PhaseCounts,
    RecordingView,
    ScheduledView,
    SessionView,
)
from functions.record_command.representations import Shown, intent, reason, standing, time
from shared.inbound.catalogue import Language, text
from shared.protocol import Phase, StreamRecord
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.intent import Requester
from shared.protocol.state.session import Session
from shared.store.contract import HistoryLine


def whole(record: StreamRecord, shown: Shown) -> RecordingView:
    return RecordingView(
        **asdict(standing(record, shown)),
        intent=intent(record.intent),
        session=_session(record.session),
        schedules=_scheduled(record, shown.now),
        held=not record.intent.wanted and record.held_at(shown.now),
        flight=_flight(record),
        pending=_pending(record),
        last_answer=_answer(record, shown.language),
        last_report=_last_report(record),
    )


def _scheduled(record: StreamRecord, now: int) -> Sequence[ScheduledView]:
    begun = [one for one in record.begun if not one.is_over and now < one.until]
    return [
        ScheduledView(
            schedule=one.schedule,
            occurrence=one.id,
            begun=one in begun,
            barred=one not in begun and _is_held_at(record, one.begins_at),
            starts_at=rfc3339(one.starts_at),
            ends_at=rfc3339(one.ends_at),
            until=rfc3339(one.until),
        )
        for one in (*begun, *record.planned)
    ]


def _is_held_at(record: StreamRecord, at: int) -> bool:
    """Return True if a person's stop still holds at `at`: the hold lasts until a set time, or as
    long as its session. An explicit start would end the hold."""
    made, until = record.intent, record.intent.held_until
    is_stop = not made.wanted and made.requester is Requester.PERSON and not made.occurrence
    holds = (until is not None and at < until) or (record.is_held and not record.is_off)
    return is_stop and holds


def _session(session: Session | None) -> SessionView | None:
    if session is None:
        return None
    return SessionView(
        number=session.number,
        state=session.state,
        time=time(session.time),
        publish_time=time(session.publish_time),
    )


def _flight(record: StreamRecord) -> FlightView | None:
    flight = record.flight
    return FlightView(flight.command, rfc3339(flight.sent_at)) if flight else None


def _pending(record: StreamRecord) -> PendingView | None:
    pending = record.pending
    if pending is None:
        return None
    return PendingView(
        command=pending.command,
        since=rfc3339(pending.since),
        not_before=rfc3339(pending.not_before),
        attempts=pending.attempts,
    )


def _answer(record: StreamRecord, language: Language) -> LastAnswerView | None:
    answer = record.answer
    if answer is None:
        return None
    why = HistoryEntry(answer.reason, {"command": answer.command.value, "code": answer.code})
    return LastAnswerView(
        command=answer.command,
        code=answer.code,
        reason=reason(why, language),
        request_id=answer.request_id or None,
        at=rfc3339(answer.at),
    )


def _last_report(record: StreamRecord) -> LastReportView | None:
    report = record.last_report
    return LastReportView(report.recording, report.what, rfc3339(report.at)) if report else None


def phase_counts(counted: Mapping[Phase, int]) -> PhaseCounts:
    """Return the number of streams in each phase, 0 for a phase without any."""
    return PhaseCounts(**{phase.value: counted.get(phase, 0) for phase in Phase})


def entry(line: HistoryLine, language: Language) -> HistoryLineView:
    return HistoryLineView(
        at=rfc3339(line.at),
        last_at=rfc3339(line.last_at),
        count=line.count,
        code=line.entry.code,
        text=text(line.entry, language),
        about=line.entry.about,
    )


def linked_file(file: File, files_url: str, language: Language) -> LinkedFileView:
    """Return the file, with a URL if the stage knows the address of its bucket."""
    is_there = bool(files_url) and is_object(file)
    url = f"{files_url.rstrip('/')}/{quote(file.uri)}" if is_there else None
    return LinkedFileView(**asdict(view_of(file, language)), url=url)

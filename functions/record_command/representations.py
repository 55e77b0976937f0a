"""Builds the answers about a stream from its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import asdict

from functions.file_view import is_object, view_of
from functions.record_command.answers import (
    FlightView,
    HistoryLineView,
    IntentView,
    LastAnswerView,
    LastReportView,
    LinkedFileView,
    PendingView,
    PhaseCounts,
    ReasonView,
    RecordingView,
    ScheduledView,
    SessionView,
    StandingView,
    WrongView,
)
from functions.record_command.routes import ApiRequest
from shared.engine.step_marks import list_read
from shared.inbound.catalogue import Language, text
from shared.invocation.app import App
from shared.protocol import Phase, StreamRecord
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.standing import Standing, Wrong
from shared.protocol.derived.standing import standing as derive
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.intent import Intent
from shared.protocol.state.session import Session
from shared.store.contract import HistoryLine


class Shown(Struct, frozen=True):
    """What answers about streams need besides the records. `listed_at`: when each domain's online
    list was last read."""

    app: App
    now: int
    language: Language
    continuity: Continuity = UNBROKEN
    listed_at: Mapping[str, int] = field(default_factory=dict)

    def standing(self, record: StreamRecord) -> Standing:
        return derive(
            record,
            self.now,
            self.app.stream_settings(record.key),
            self.continuity,
            listed_at=self.listed_at.get(record.key.domain),
        )


def shown_at(request: ApiRequest, now: int, continuity: Continuity) -> Shown:
    """Return a Shown for the answer to this request, as of `now`."""
    app = request.invocation.app
    domains = [domain.streaming for domain in app.policy.domains]
    ages = app.store.ages()
    listed_at = {
        domain: now - ages[list_read(domain)] for domain in domains if list_read(domain) in ages
    }
    return Shown(app, now, request.language, continuity, listed_at)


def standing(record: StreamRecord, shown: Shown) -> StandingView:
    """Return the fields that every answer about a stream has."""
    found = shown.standing(record)
    return StandingView(
        stream=str(record.key),
        wanted=record.intent.wanted,
        phase=found.phase,
        since=time(found.since),
        confirmed=found.is_confirmed,
        confirmed_at=time(found.shown_at),
        confirmed_ms_ago=None if found.shown_at is None else max(shown.now - found.shown_at, 0),
        live=found.live,
        live_at=time(found.live_at),
        wrong=_wrong(found.wrong, shown),
        next_attempt_at=time(found.next_attempt_at),
        attempts=found.attempts,
        changed_at=time(record.changed_at or None),
        until=time(record.intent.until),
        ever_live=record.session is not None,
        reason=reason(found.reason, shown.language),
    )


def _wrong(wrong: Wrong | None, shown: Shown) -> WrongView | None:
    if wrong is None:
        return None
    lost_ms = max(shown.now - wrong.since, 0)
    return WrongView(rfc3339(wrong.since), lost_ms, reason(wrong.reason, shown.language))


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
            starts_at=rfc3339(one.starts_at),
            ends_at=rfc3339(one.ends_at),
            until=rfc3339(one.until),
        )
        for one in (*begun, *record.planned)
    ]


def intent(intent: Intent) -> IntentView:
    return IntentView(
        generation=intent.generation,
        requester=intent.requester,
        who=intent.who,
        note=intent.note,
        reason=intent.reason,
        on_interruption=intent.on_interruption,
        made_at=time(intent.made_at or None),
        first_accepted_at=time(intent.first_accepted_at),
        held_until=time(intent.held_until),
    )


def reason(note: HistoryEntry, language: Language) -> ReasonView:
    return ReasonView(note.code, text(note, language))


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


def file(left: File, files_url: str, language: Language) -> LinkedFileView:
    """Return the file, with a URL if the stage knows the address of its bucket."""
    is_there = bool(files_url) and is_object(left)
    url = f"{files_url.rstrip('/')}/{quote(left.uri)}" if is_there else None
    return LinkedFileView(**asdict(view_of(left, language)), url=url)


def time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)

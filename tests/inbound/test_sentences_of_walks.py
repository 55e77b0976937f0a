"""Each sentence of the history, each refusal and each `why` is true wherever the protocol says it.

Random events happen to a stream; each line that they leave is held against the record before, the
event and the record after. tests/inbound/test_true_sentences.py has the wording of single ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from shared.protocol import (
    Accepted,
    CancelDelayAsked,
    Command,
    CommandSettled,
    Event,
    ExtendAsked,
    FileLeft,
    HistoryEntry,
    IfNotLive,
    Polled,
    Published,
    Reason,
    RecordFailed,
    Reported,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
    TimePassed,
    Unpublished,
    claim,
    decide,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.protocol.derived.explain import explain
from shared.protocol.events import (
    FileFailed,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Remarked,
    SettingsChanged,
)
from shared.protocol.policy import OnInterruption
from shared.protocol.state.intent import Requester
from shared.protocol.state.session import SessionState
from shared.protocol.stream import ENDS
from tests.conftest import NOON
from tests.inbound.test_catalogue import BEFORE, ELSEWHERE, RULES, STEPS, event, of_a_schedule

pytestmark = pytest.mark.slow

DAY_MS = 86_400_000
SETTINGS = (*RULES, replace(RULES[1], is_policy_suspended=True))


class Said(NamedTuple):
    """One line, and all that it is about."""

    note: HistoryEntry
    before: StreamRecord
    event: Event | None
    after: StreamRecord
    now: int
    settings: StreamSettings

    @property
    def answer(self) -> object:
        """What Live answered to the command that the line names, which was on the wire."""
        flight = self.before.flight
        assert isinstance(self.event, CommandSettled)
        assert flight is not None
        assert flight.id == self.event.flight
        named = self.note.about.get("command", flight.command.value)
        return self.event.answer if named == flight.command.value else None

    @property
    def opens(self) -> bool:
        """Whether a session begins that has the number which the line names."""
        session = self.after.session
        number = None if session is None else session.number
        return number == self.note.about["session"] == self.before.session_number + 1

    def was(self, state: SessionState) -> bool:
        return self.before.session is not None and self.before.session.state is state


def of(*kinds: type[Event]) -> Callable[[Said], bool]:
    return lambda said: isinstance(said.event, kinds)


def answered(*kinds: type[object]) -> Callable[[Said], bool]:
    return lambda said: isinstance(said.answer, kinds)


def polled(*, shown: bool) -> Callable[[Said], bool]:
    return lambda said: isinstance(said.event, Polled) and (said.event.published is None) != shown


def publishes(is_so: Callable[[Said, int], bool]) -> Callable[[Said], bool]:
    """Return whether the line is about a publish that was reported, with its time."""
    return lambda said: isinstance(said.event, Published) and is_so(said, said.event.time)


def began(said: Said) -> int:
    return said.before.session.began if said.before.session else 0


def ends_a_wanted_one(said: Said) -> bool:
    return said.before.intent.wanted and not said.after.intent.wanted


def any_barred(said: Said) -> bool:
    return any(one.id == said.note.about["occurrence"] and one.is_over for one in said.after.begun)


def is_of(said: Said, commands: tuple[Command, ...]) -> bool:
    return said.before.flight is not None and said.before.flight.command in commands


HISTORY: Mapping[Reason, Callable[[Said], bool]] = {
    # people
    Reason.ASKED_START: lambda said: of(StartAsked)(said) and not said.before.intent.wanted,
    Reason.ASKED_AGAIN: lambda said: of(StartAsked)(said) and said.before.intent.wanted,
    Reason.ASKED_STOP: lambda said: of(StopAsked)(said) and not said.after.intent.wanted,
    Reason.ASKED_EXTEND: of(StartAsked, ExtendAsked),
    Reason.ASKED_RESTART: of(RestartAsked),
    Reason.ASKED_CANCEL_DELAY: of(CancelDelayAsked),
    Reason.ASKED_BEFORE: lambda said: bool(said.before.asked) and said.after == said.before,
    Reason.KEY_REUSED: lambda said: bool(said.before.asked) and said.after == said.before,
    Reason.NOTHING_TO_UNDO: lambda said: of(StopAsked)(said) and not said.before.ever_claimed,
    Reason.NOT_WANTED: lambda said: not said.before.intent.wanted,
    Reason.WANTED: lambda said: said.before.intent.wanted,
    Reason.NOT_LIVE: lambda said: not said.before.is_watched,
    Reason.NOTHING_TO_SPLIT: lambda said: of(RestartAsked)(said) and not said.before.is_started,
    Reason.END_TOO_LATE: of(StartAsked, ExtendAsked),
    Reason.END_IS_PAST: of(StartAsked, ExtendAsked),
    Reason.END_TOO_SOON: of(StartAsked, ExtendAsked),
    # policy and time
    Reason.RULE_RECORDS: lambda said: (
        said.settings.records_on_publish and said.after.intent.requester is Requester.POLICY
    ),
    Reason.RULE_IGNORES: lambda said: not said.settings.rule.records_on_publish,
    Reason.POLICY_SUSPENDED: lambda said: said.settings.is_policy_suspended,
    Reason.HELD: lambda said: said.after.held_at(said.now),
    Reason.ONCE_PER_SESSION: lambda said: (
        said.before.policy_session == said.before.session_number and not said.after.intent.wanted
    ),
    Reason.SESSION_OVER: lambda said: (
        said.before.intent.wanted
        and said.before.intent.on_interruption is not OnInterruption.RESUME
    ),
    Reason.TIME_OVER: lambda said: (
        ends_a_wanted_one(said) and (said.before.intent.until or said.now + 1) <= said.now
    ),
    Reason.NEVER_LIVE: lambda said: (
        said.before.session is None and said.before.intent.made_at <= said.now - DAY_MS
    ),
    Reason.GAVE_UP_NOT_LIVE: lambda said: (
        answered(StreamNotLive)(said) and said.before.intent.if_not_live is IfNotLive.FAIL
    ),
    # schedules
    Reason.NOT_SCHEDULED: of(OccurrencePut, OccurrenceSkipped),
    Reason.SCHEDULE_RECORDS: lambda said: said.after.intent.requester is Requester.SCHEDULE,
    Reason.SCHEDULE_TAKES_OVER: lambda said: said.after.intent.requester is Requester.SCHEDULE,
    Reason.SCHEDULE_COVERED: lambda said: said.after.intent.wanted,
    Reason.SCHEDULE_HELD: lambda said: said.after.held_at(said.now) or any_barred(said),
    Reason.SCHEDULE_MISSED: any_barred,
    Reason.SCHEDULE_RUNS_OVER: lambda said: said.after.is_watched and said.after.intent.wanted,
    Reason.SCHEDULE_OVER: ends_a_wanted_one,
    Reason.SCHEDULE_SKIPPED: of(OccurrenceSkipped),
    Reason.SCHEDULE_CANCELLED: of(OccurrencesPlanned),
    Reason.SCHEDULE_MOVED: of(OccurrencePut),
    Reason.POLICY_TAKES_OVER: lambda said: (
        said.settings.records_on_publish and said.after.intent.requester is Requester.POLICY
    ),
    # the stream
    Reason.PUBLISHED: lambda said: of(Published, Polled)(said) and said.opens,
    Reason.PUBLISHED_TWICE: publishes(
        lambda said, time: (
            said.before.session is not None
            and time in (began(said), said.before.session.unverified_publish_time)
        )
    ),
    Reason.PUBLISHED_LATE: publishes(lambda said, time: time <= began(said)),
    Reason.PUBLISHED_UNSEEN: publishes(
        lambda said, time: time > began(said) and said.before.intent.wanted
    ),
    Reason.PUBLISHED_DOUBTED: lambda said: (
        isinstance(said.event, Published) and said.event.needs_poll
    ),
    Reason.PUBLISH_TIME_LEARNT: publishes(
        lambda said, _time: said.before.session is not None and said.before.session.time is None
    ),
    Reason.UNPUBLISHED: lambda said: of(Unpublished)(said) and said.after.may_have_ended,
    Reason.UNPUBLISHED_LATE: lambda said: (
        isinstance(said.event, Unpublished) and said.event.time < began(said)
    ),
    Reason.UNPUBLISHED_TWICE: lambda said: of(Unpublished)(said) and not said.before.is_live,
    Reason.UNPUBLISHED_UNKNOWN: lambda said: of(Unpublished)(said) and said.before.session is None,
    Reason.UNPUBLISHED_REFUTED: lambda said: of(Unpublished)(said) and said.before.is_live,
    Reason.SEEN_ONLINE: lambda said: polled(shown=True)(said) and said.opens,
    Reason.SEEN_AGAIN: lambda said: polled(shown=True)(said) and said.after.is_live,
    Reason.SEEN_STALE: polled(shown=True),
    Reason.MAY_BE_RECONNECT: lambda said: polled(shown=True)(said) and said.after.is_live,
    Reason.NOT_SEEN: polled(shown=False),
    Reason.WENT_OFF: lambda said: said.after.is_off,
    # commands
    Reason.WITHHELD: lambda said: said.after.is_off,
    Reason.SENT: lambda said: (
        said.answer is not None
        and (not isinstance(said.answer, NeverSent) or said.answer.status > 0)
        and said.before.flight is not None
        and said.note.about["reason"] == said.before.flight.reason.value
    ),
    Reason.OBSERVED: lambda said: said.settings.observe,
    Reason.RESTART_OBSERVED: lambda said: of(RestartAsked)(said) and said.settings.observe,
    Reason.ACCEPTED: answered(Accepted),
    Reason.ALREADY: answered(AlreadyStarted),
    Reason.ADOPTED: lambda said: answered(AlreadyStarted)(said) and said.before.paused_since > 0,
    Reason.OVER: lambda said: answered(StreamNotLive)(said) and is_of(said, ENDS),
    Reason.OVER_UNPROVED: lambda said: (
        answered(AlreadyStarted, UnknownRejection, NoRecordConfig)(said) and is_of(said, ENDS)
    ),
    Reason.NOT_FOUND: answered(StreamNotLive),
    Reason.LISTED_NOT_FOUND: lambda said: answered(StreamNotLive)(said) and said.before.is_live,
    Reason.NOT_LIVE_YET: lambda said: answered(StreamNotLive)(said) and said.before.is_live,
    Reason.NO_RECORD_CONFIG: answered(NoRecordConfig),
    Reason.WRONG_DOMAIN: lambda said: "InvalidDomain" in str(said.note.about["code"]),
    Reason.REJECTED: lambda said: said.answer is not None,
    Reason.UNKNOWN_REJECTION: answered(UnknownRejection),
    Reason.THROTTLED: answered(Throttled),
    Reason.NEVER_SENT: lambda said: isinstance(said.answer, NeverSent) and not said.answer.status,
    Reason.SLOT_MISSED: lambda said: (
        isinstance(said.answer, NeverSent) and said.answer.code == "SlotMissed"
    ),
    Reason.REFUSED_FOR_NOW: lambda said: (
        isinstance(said.answer, NeverSent) and said.answer.status > 0
    ),
    Reason.UNAVAILABLE: answered(Unavailable),
    Reason.IN_DOUBT: answered(InDoubt),
    Reason.OPERATOR_ACTION_NEEDED: answered(OperatorActionNeeded),
    Reason.ANSWER_LOST: lambda said: (
        said.before.flight is not None and said.before.flight.lease_until <= said.now
    ),
    Reason.LATE_ANSWER: lambda said: (
        isinstance(said.event, CommandSettled)
        and (said.before.flight is None or said.before.flight.id != said.event.flight)
    ),
    Reason.OLD_SESSION: lambda said: (
        said.answer is not None
        and said.before.flight is not None
        and said.before.flight.session < said.before.session_number
    ),
    Reason.RESTART_UNKNOWN: lambda said: (
        said.before.restart_doubted or is_of(said, (Command.RESTART,))
    ),
    # what Live reports
    Reason.CONFIRMED: lambda said: (
        isinstance(said.event, Reported) and said.event.recording and said.before.intent.wanted
    ),
    Reason.CONFIRMED_UNPROVED: lambda said: (
        isinstance(said.event, Reported)
        and said.event.recording
        and said.event.time is None
        and said.after.confirmation is not None
        and said.after.confirmation.check_at is not None
    ),
    Reason.CONFIRMED_BY_FILE: of(FileLeft),
    Reason.PAUSED: lambda said: isinstance(said.event, Reported) and not said.event.recording,
    Reason.UNMANAGED: lambda said: (
        isinstance(said.event, Reported) and said.event.recording and not said.before.intent.wanted
    ),
    Reason.RECORD_ERROR: of(RecordFailed),
    Reason.REPORTED_LATE: of(Reported, RecordFailed),
    Reason.PAUSE_DOUBTED: lambda said: (
        isinstance(said.event, Reported)
        and not said.event.recording
        and said.event.time is None
        and said.before.is_recorded
    ),
    Reason.FILE: of(FileLeft),
    Reason.FILE_FAILED: of(FileFailed),
    Reason.EXCEPTION: lambda said: isinstance(said.event, Remarked) and said.event.is_exception,
    Reason.SWITCHED: lambda said: isinstance(said.event, Remarked) and not said.event.is_exception,
}
"""When a line of the history, or a refusal, is true."""


Present = Callable[[StreamRecord, int, StreamSettings], bool]


def reported(*, recording: bool) -> Present:
    return lambda record, _now, _settings: (
        record.last_report is not None and record.last_report.recording is recording
    )


WHY: Mapping[Reason, Present] = {
    Reason.NEVER_ASKED: lambda record, _now, _settings: (
        record.session is None and record.intent.generation == 0
    ),
    Reason.RULE_PENDING: lambda record, _now, settings: (
        record.is_live and settings.records_on_publish
    ),
    Reason.RULE_IGNORES: lambda record, _now, settings: (
        record.session is not None and not settings.rule.records_on_publish
    ),
    Reason.POLICY_SUSPENDED: lambda record, _now, settings: (
        settings.is_policy_suspended and not record.intent.wanted
    ),
    Reason.HELD: lambda record, now, _settings: record.held_at(now),
    Reason.OBSERVED: lambda _record, _now, settings: settings.observe,
    Reason.NOT_LIVE: lambda record, _now, _settings: not record.is_watched,
    Reason.MAY_HAVE_ENDED: lambda record, _now, _settings: record.may_have_ended,
    Reason.QUEUED: lambda record, _now, _settings: record.pending is not None or record.lacks_start,
    Reason.NO_QUOTA: lambda record, _now, _settings: (
        record.pending is not None and record.pending.over_quota
    ),
    Reason.SENT: lambda record, _now, _settings: record.flight is not None,
    Reason.CONFIRMED: reported(recording=True),
    Reason.CONFIRMED_UNPROVED: lambda record, now, settings: (
        reported(recording=True)(record, now, settings)
        and record.confirmation is not None
        and record.confirmation.check_at is not None
    ),
    Reason.CONFIRMED_BY_FILE: lambda record, _now, _settings: record.is_recorded,
    Reason.PAUSED: reported(recording=False),
    Reason.INTERRUPTED: lambda record, _now, _settings: record.last_interruption > 0,
    Reason.UNCONFIRMED: lambda record, _now, _settings: (
        record.confirmation is not None and not record.confirmation.is_confirmed
    ),
    Reason.END_UNREPORTED: lambda record, _now, _settings: (
        not (record.intent.wanted or record.is_off)
        and record.last_report is not None
        and record.last_report.what != "record_paused"
    ),
    Reason.UNMANAGED: lambda record, now, settings: (
        not record.intent.wanted and reported(recording=True)(record, now, settings)
    ),
}
"""When a `why` is true. One that is none of these is the cause of the last intent, a failure, or
what Live answered."""


def is_stored(record: StreamRecord, code: Reason) -> bool:
    answer, failure, started = record.answer, record.failure, record.confirmation
    return code in (
        *([] if record.intent.wanted else [record.intent.reason]),
        *([answer.reason] if answer else []),
        *([failure.reason] if failure else []),
        *([Reason(started.source.value)] if started else []),
    )


def walk(seed: int) -> Iterator[Said]:
    """Yield what is said of one stream to which all kinds of things happen."""
    lots = Random(seed)  # noqa: S311 - the same walk each time
    record, now, settings = lots.choice(BEFORE), NOON, lots.choice(SETTINGS)
    for number in range(40):
        now += lots.choice(STEPS[: lots.choice((4, 9))])
        if lots.random() < 0.05:
            settings = lots.choice(SETTINGS)
        is_scheduled = seed % 5 == 0 and lots.random() < 0.2
        what = of_a_schedule(lots, now) if is_scheduled else event(lots, record, now)
        what = SettingsChanged() if lots.random() < 0.02 else what
        for each in (TimePassed(may_query_online=False), what):  # what is due comes first
            decision = decide(record, each, now, settings)
            refused = [HistoryEntry(decision.refused)] if decision.refused else []
            for note in [*decision.entries, *refused]:
                yield Said(note, record, each, decision.record, now, settings)
            record = decision.record
        record = claimed(record, f"f{number}", now)
        yield Said(explain(record, now, settings), record, None, record, now, settings)


def claimed(record: StreamRecord, flight: str, now: int) -> StreamRecord:
    flying = claim(record, flight, now)
    if flying is None or flying.flight is None:
        return record
    return replace(flying, flight=replace(flying.flight, sent_at=now, lease_until=now + 7_300))


def is_true(said: Said) -> bool:
    code = said.note.code
    if said.event is not None:
        return HISTORY[code](said)
    if code in WHY:
        return WHY[code](said.before, said.now, said.settings)
    return is_stored(said.before, code)


def test_every_code_is_held_against_the_record() -> None:
    assert set(Reason) - HISTORY.keys() - WHY.keys() <= ELSEWHERE


@pytest.mark.parametrize("part", range(5))
def test_every_line_is_true(part: int) -> None:
    for seed in range(part, 600, 5):
        for said in walk(seed):
            assert is_true(said), said

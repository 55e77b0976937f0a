"""Every code in words: complete, and filled by what the protocol itself notes."""

from __future__ import annotations

import string
from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from msgspec.structs import replace

from shared.inbound.catalogue import Language, catalogue, text
from shared.protocol import (
    CancelDelayAsked,
    Command,
    CommandSettled,
    Event,
    ExtendAsked,
    FileLeft,
    HistoryEntry,
    IfNotLive,
    Phase,
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
    phase,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.protocol.derived.explain import explain
from shared.protocol.durations import rfc3339
from shared.protocol.events import (
    Accepted,
    FileFailed,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Remarked,
)
from shared.protocol.policy import OnInterruption, OnPublish, Policy, Rule
from shared.protocol.state.command import PendingCommand
from shared.protocol.state.confirmation import (
    Confirmation,
    ConfirmationState,
    LastReport,
    SessionFailure,
    StartSource,
)
from shared.protocol.state.intent import IdempotencyKey, Intent, Requester
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.session import Session
from tests.conftest import KEY, NOON

SUPPLIED = {"fix", "end", "before"}
"""What `text` itself adds."""
ELSEWHERE = {
    Reason.ON_DEMAND,  # what release 0.2 wrote
    Reason.ON_DEMAND_DECLINED,  # likewise
    Reason.QUEUED,  # explain
    Reason.NO_FILE,  # tests/ledger
    Reason.DETECTED_LATE,
    Reason.SCHEDULE_NOT_LIVE,
    Reason.FORGOTTEN,  # the log, since the history is gone by then
    Reason.UNKNOWN,  # what a later release wrote
    Reason.IMPORTED,  # test_state_import
    Reason.LIVE_NOT_ACTIVATED,  # one code of OPERATOR_ACTION_NEEDED
    Reason.NEVER_ASKED,  # explain
    Reason.RULE_PENDING,  # explain
    Reason.NEVER_RECORDED,  # test_retention
    Reason.INTERRUPTED,  # explain
    Reason.RECORDED_UNCHECKED,  # test_standing
    Reason.NOT_LIVE_UNCHECKED,
    Reason.RECORDED_AGE_UNKNOWN,
    Reason.UNPUBLISHED_REFUTED,  # test_true_sentences
    Reason.MAY_BE_RECONNECT,  # likewise
    Reason.STORE_EMPTIED,  # in a store that was emptied
    Reason.POLICY_SUSPENDED,  # explain
    Reason.NO_QUOTA,  # where a rule's cap is full
    Reason.REASSERT_EARLY,
    Reason.REASSERT,
    Reason.FINALIZE,
    Reason.STREAM_RETURNED,
    Reason.UNCONFIRMED,
    Reason.UNPROVED,  # why a command is sent: shown within SENT
}


def holes(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


ANSWERS: tuple[Accepted | LiveError, ...] = (
    *(Accepted("R-1"),) * 8,
    AlreadyStarted("TaskAlreadyStarted"),
    *(StreamNotLive("StreamNotFound"),) * 3,
    InvalidCommand("MalformedParam"),
    InvalidCommand("InvalidDomain.NotFound"),
    NoRecordConfig("CodeConfigNotFound"),
    UnknownRejection("SomethingNew"),
    Throttled("Throttling.User"),
    NeverSent(),
    NeverSent("SlotMissed"),
    NeverSent("SignatureNonceUsed", status=400),
    Unavailable("ServiceUnavailable"),
    *(InDoubt("InternalError"),) * 3,
    OperatorActionNeeded("Forbidden.RAM"),
)
RULES = (
    StreamSettings(),
    StreamSettings(rule=Rule(on_publish=OnPublish.RECORD), status_known=True),
    StreamSettings(rule=Rule(on_publish=OnPublish.RECORD, on_interruption=OnInterruption.STOP)),
    StreamSettings(rule=Rule(on_publish=OnPublish.RECORD), observe=True),
)
UNSEEN = Intent(
    1,
    wanted=True,
    requester=Requester.POLICY,
    reason=Reason.RULE_RECORDS,
    who="rule 1",
    made_at=NOON,
)
BOUND = Intent(
    1, wanted=True, requester=Requester.PERSON, on_interruption=OnInterruption.STOP, session=1
)
LOOKED_INTO = StreamRecord(KEY, BOUND, session=Session(1, NOON - 60_000, NOON - 60_000))
RETURNED = StreamRecord(
    KEY,
    replace(BOUND, on_interruption=OnInterruption.RESUME),
    session=Session(1, NOON - 3_000, NOON - 3_000),
    confirmation=Confirmation(
        1, NOON - 1_000, StartSource.ACCEPTED, ConfirmationState.CONFIRMED, sent_at=NOON - 1_500
    ),
    last_report=LastReport(recording=True, what="record_resumed", at=NOON - 500),
    interrupted_at=NOON - 3_000,
)
RESTARTED = replace(
    RETURNED,
    intent=replace(RETURNED.intent, first_accepted_at=NOON - 60_000, until=NOON + 3_600_000),
    confirmation=Confirmation(
        1,
        NOON - 1_000,
        StartSource.ACCEPTED,
        ConfirmationState.POLLED,
        NOON + 59_000,
        sent_at=NOON - 1_500,
        older_until=NOON + 240_000,
    ),
    last_report=None,
)
BEFORE = (*(StreamRecord(KEY),) * 9, StreamRecord(KEY, UNSEEN), LOOKED_INTO, RETURNED, RESTARTED)
"""Streams never heard of, one whose session was forgotten under policy's intent, one whose intent
ends with its session, one that is recorded again after a drop, and one whose start was accepted
soon after an earlier one."""
STEPS = (0, 500, 2_000, 6_000, 11_000, 61_000, 3_600_000, 13 * 3_600_000, 25 * 3_600_000)


def event(lots: Random, record: StreamRecord, now: int) -> Event:
    """Any of them, as they come."""
    began = now - lots.choice((0, 0, 30_000, 600_000))
    once = lots.choice((None, None, IdempotencyKey("k1", lots.choice("ab"))))
    sent = record.flight.id if record.flight and lots.random() < 0.9 else "an older one"
    choices: tuple[Event, ...] = (
        StartAsked("ops", if_not_live=lots.choice(list(IfNotLive)), idempotency_key=once),
        StartAsked("ops", on_interruption=lots.choice(list(OnInterruption)), max_duration=9_000),
        StopAsked("ops", finalize=lots.random() < 0.5, hold_session=lots.random() < 0.5),
        ExtendAsked("ops", until=now + 25 * 3_600_000),
        RestartAsked("ops"),
        CancelDelayAsked("ops"),
        Published(began),
        Published(began, needs_poll=True),
        Published(record.session.time or began if record.session else began),
        Unpublished(began),
        Polled(None, now),
        Polled(began, now),
        Polled(record.session.listed + 9 if record.session else began, now),
        *(CommandSettled(sent, lots.choice(ANSWERS)),) * 8,
        Reported("record_started", recording=True),
        Reported("record_paused", recording=False),
        Reported("record_started", recording=True, time=began),
        RecordFailed("BucketNotFound", "Bucket not found"),
        FileLeft("1.mp4", began, now),
        FileFailed("transformat_error", "InvalidParameter", "broken", "1.mp4"),
        Remarked(is_exception=lots.random() < 0.5, what="StreamFpsAbnormal"),
        *(TimePassed(),) * 4,
    )
    return lots.choice(choices)


HOUR_MS = 3_600_000


def occurrence(lots: Random, now: int) -> Occurrence:
    """Return a show of a few minutes that is to come, or should have begun, or is over."""
    begins_at = now + lots.choice((5_000, 5_000, -1_000, -HOUR_MS))
    ends_at = begins_at + lots.choice((60_000, 600_000, 9 * HOUR_MS))
    until, name = ends_at + 4 * HOUR_MS, f"tuesdays@{lots.randrange(3)}"
    return Occurrence(name, "tuesdays", begins_at, begins_at, ends_at, until)


def of_a_schedule(lots: Random, now: int) -> Event:
    planned = tuple(occurrence(lots, now) for _ in range(lots.randrange(3)))
    choices: tuple[Event, ...] = (
        OccurrencesPlanned("tuesdays", planned),
        OccurrencesPlanned("tuesdays", planned, cancelled=("tuesdays@1",)),
        OccurrencePut("ops", occurrence(lots, now)),
        OccurrenceSkipped("ops", f"tuesdays@{lots.randrange(3)}"),
    )
    return lots.choice(choices)


def stepped(
    record: StreamRecord, what: Event, now: int, settings: StreamSettings
) -> tuple[StreamRecord, list[HistoryEntry]]:
    decision = decide(record, what, now, settings)
    flying = claim(decision.record, f"f{now}", now)
    if flying and flying.flight:
        flight = replace(flying.flight, sent_at=now, lease_until=now + 7_300)
        flying = replace(flying, flight=flight)
    refused = [HistoryEntry(decision.refused)] if decision.refused else []
    return flying or decision.record, [*decision.entries, *refused]


@cache
def walked() -> tuple[HistoryEntry, ...]:
    """All that was said of streams that all kinds of things happened to."""
    lots = Random(7)  # noqa: S311 - the same walk each time
    said: dict[tuple[object, ...], HistoryEntry] = {}
    for walk in range(1_250):
        record, now, settings = lots.choice(BEFORE), NOON, lots.choice(RULES)
        for _ in range(40):
            now += lots.choice(STEPS[: lots.choice((4, 9))])
            is_scheduled = walk % 5 == 0 and lots.random() < 0.2
            what = of_a_schedule(lots, now) if is_scheduled else event(lots, record, now)
            record, entries = stepped(record, what, now, settings)
            for note in [*entries, explain(record, now, settings)]:
                said[note.code, note.about.get("reason"), tuple(sorted(note.about))] = note
    return tuple(said.values())


@pytest.mark.parametrize("code", list(Reason))
def test_every_code_has_both_texts_with_the_same_particulars(code: Reason) -> None:
    english, chinese = (catalogue(language).reasons[code.value] for language in Language)

    assert english.isascii()
    assert not chinese.isascii()
    assert holes(english) == holes(chinese)


def test_no_language_has_a_sentence_that_another_lacks() -> None:
    english, chinese = map(catalogue, Language)

    assert set(english.reasons) == set(chinese.reasons) == {code.value for code in Reason}
    assert set(english.fixes) == set(chinese.fixes)


@pytest.mark.slow
def test_what_is_noted_supplies_every_particular_of_its_text() -> None:
    lacking = {
        note.code: missing
        for note in walked()
        if (
            missing := holes(catalogue(Language.ENGLISH).reasons[note.code.value])
            - SUPPLIED
            - set(note.about)
        )
    }

    assert lacking == {}


def test_every_code_is_written_by_somebody() -> None:
    assert set(Reason) - {note.code for note in walked()} <= ELSEWHERE


@pytest.mark.parametrize("language", list(Language))
def test_no_text_shows_a_hole(language: Language) -> None:
    for note in walked():
        assert "-" not in text(note, language).split(), note
        assert "{" not in text(note, language)


def test_what_was_sent_says_why_in_words() -> None:
    note = HistoryEntry(Reason.SENT, {"command": "stop", "reason": "asked_stop", "who": "ops"})

    assert text(note) == "stop was sent because: ops asked for it to be stopped"
    assert text(note, Language.CHINESE) == "已发送 stop，原因：ops 要求停止录制"


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (Language.ENGLISH, "no rule of the policy records it; it is recorded when somebody asks"),
        (Language.CHINESE, "策略中没有规则会自动录制，有人要求时才录制"),
    ],
)
def test_where_no_rule_matches_the_sentence_names_none(language: Language, sentence: str) -> None:
    """Of a policy without such a rule it said: the rule */*/* leaves it alone."""
    unmatched = Policy().rule(KEY)
    entry = HistoryEntry(Reason.RULE_IGNORES, {"rule": unmatched.name})
    assert text(entry, language) == sentence


def test_whoever_is_not_known_by_name_is_somebody() -> None:
    unnamed = HistoryEntry(Reason.SENT, {"command": "stop", "reason": "asked_stop", "who": ""})

    assert text(unnamed) == "stop was sent because: somebody asked for it to be stopped"
    assert text(HistoryEntry(Reason.ASKED_STOP), Language.CHINESE) == "有人 要求停止录制"


def test_a_particular_that_an_older_release_did_not_note_is_a_dash() -> None:
    assert text(HistoryEntry(Reason.OBSERVED)) == text(
        HistoryEntry(Reason.OBSERVED, {"command": "-"})
    )


# --- explain: the one cause that a person should hear first

WANTED = Intent(1, wanted=True, requester=Requester.PERSON, reason=Reason.ASKED_START)
LIVE = Session(1, NOON, time=NOON)


def cases() -> Iterator[tuple[StreamRecord, StreamSettings, Reason]]:
    recording = StreamRecord(
        KEY, WANTED, session=LIVE, confirmation=Confirmation(1, NOON, StartSource.ACCEPTED)
    )
    paused = LastReport(recording=False, what="record_paused", at=NOON + 1)
    yield recording, StreamSettings(), Reason.ACCEPTED
    yield replace(recording, last_report=paused), StreamSettings(), Reason.PAUSED
    yield StreamRecord(KEY, WANTED, session=LIVE), StreamSettings(observe=True), Reason.OBSERVED
    yield StreamRecord(KEY, WANTED), StreamSettings(observe=True), Reason.NOT_LIVE
    yield StreamRecord(KEY), RULES[1], Reason.NOT_LIVE
    yield StreamRecord(KEY, session=LIVE), StreamSettings(), Reason.RULE_IGNORES
    suspended = replace(RULES[1], is_policy_suspended=True)
    yield StreamRecord(KEY, session=LIVE), suspended, Reason.POLICY_SUSPENDED
    yield StreamRecord(KEY, WANTED, session=LIVE), suspended, Reason.QUEUED
    ended = Intent(1, requester=Requester.END, reason=Reason.TIME_OVER)
    yield StreamRecord(KEY, ended, session=LIVE), suspended, Reason.POLICY_SUSPENDED
    once = StreamRecord(KEY, ended, session=LIVE, policy_session=1)
    yield once, suspended, Reason.TIME_OVER
    full = PendingCommand(Command.START, Reason.ASKED_START, 1, NOON, NOON, over_quota=True)
    yield StreamRecord(KEY, WANTED, full, session=LIVE), StreamSettings(), Reason.NO_QUOTA
    failed = SessionFailure(1, Reason.RECORD_ERROR, "BucketNotFound", NOON)
    yield (
        StreamRecord(KEY, WANTED, session=LIVE, failure=failed),
        StreamSettings(),
        Reason.RECORD_ERROR,
    )
    unasked = LastReport(recording=True, what="record_started", at=NOON)
    yield StreamRecord(KEY, last_report=unasked), StreamSettings(), Reason.UNMANAGED


@pytest.mark.parametrize(("record", "settings", "code"), list(cases()))
def test_what_is_said_of_a_record(
    record: StreamRecord, settings: StreamSettings, code: Reason
) -> None:
    assert explain(record, NOON + 2, settings).code is code


def test_a_command_on_the_wire_says_why_it_was_sent() -> None:
    record, _ = stepped(StreamRecord(KEY), StopAsked("ops"), NOON, StreamSettings())

    assert phase(record) is Phase.STOPPING
    assert "ops asked for it to be stopped" in text(explain(record, NOON, StreamSettings()))


def test_a_throttled_stop_says_so() -> None:
    record, _ = stepped(StreamRecord(KEY), StopAsked("ops"), NOON, StreamSettings())
    assert record.flight is not None
    assert record.flight.command is Command.STOP
    later = decide(
        record, CommandSettled(record.flight.id, Throttled("Throttling")), NOON, StreamSettings()
    ).record

    assert explain(later, NOON, StreamSettings()).code is Reason.THROTTLED


def test_an_end_is_said_as_it_was_set_and_as_release_02_noted_it() -> None:
    moved: dict[str, str | int] = {"who": "ann", "end_at": NOON, "before_after": 4 * 3_600_000}
    assert text(HistoryEntry(Reason.ASKED_EXTEND, moved)) == (
        f"ann set the end of the recording: {rfc3339(NOON)} (before: 4h after the first accepted"
        " start)"
    )
    assert text(HistoryEntry(Reason.ASKED_EXTEND, {"who": "ann", "until": NOON})) == (
        f"ann set the end of the recording: {rfc3339(NOON)} (before: not noted)"
    )

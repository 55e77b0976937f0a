from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.output import is_as_wanted
from functions.record_command.ask_results import MAX_WAITING, WAITING
from shared import retry
from shared.engine.effects import Send, Steps
from shared.engine.recorder import HandleResult, HandlingOptions
from shared.protocol import (
    Command,
    FileLeft,
    Published,
    Reported,
    StartAsked,
    StreamKey,
    Unpublished,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.protocol.durations import rfc3339
from shared.protocol.events import Accepted, OccurrencesPlanned, TimePassed
from shared.protocol.state.occurrence import Occurrence
from shared.store.contract import Save
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, NOON, Clock
from tests.support.scripted_stage import ROOM, Got, Stage

START, STOP, RESTART, CANCEL = Command
HOUR_MS = 3_600_000
LONG = HOUR_MS
"""ms: too long for one invocation to try again."""


@pytest.fixture
def stage(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Yield a stage where waiting moves the stage's clock and takes no real time."""

    def wait(seconds: float) -> None:
        clock.pass_ms(round(seconds * 1000))

    monkeypatch.setattr(retry, "wait", wait)
    monkeypatch.setattr(retry, "while_again", partial(retry.while_again, sleep=wait))
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


@pytest.fixture
def live(stage: Stage) -> Stage:
    """Return the stage with a stream that has been live for 60 s, longer than Live takes to list
    it."""
    stage.happens(Published(NOON))
    stage.clock.pass_ms(60_000)
    return stage


@pytest.fixture
def recording(live: Stage) -> Stage:
    assert live.start().status == 200
    live.happens(Reported("record_started", recording=True))
    return live


def while_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]
) -> None:
    """Another instance does that as soon as this one waits."""
    doing = [what]

    def wait(seconds: float) -> None:
        stage.clock.pass_ms(round(seconds * 1000))
        if doing and seconds > 0:
            doing.pop()()

    monkeypatch.setattr(retry, "wait", wait)


# --- what each answer of Live's becomes (docs/errors.md)


def test_a_start_of_a_live_stream_is_accepted(live: Stage) -> None:
    got = live.start({"note": "morning show"})

    assert got.outcome == (200, "accepted", "starting")
    assert (got.json["command"], got.json["request_id"]) == ("start", "R-1")
    assert got.json["intent"]["note"] == "morning show"
    assert got.json["until"] == rfc3339(NOON + 60_000 + 12 * HOUR_MS)


def test_a_start_that_finds_no_stream_waits_for_it(stage: Stage) -> None:
    stage.live.answers(START, StreamNotLive("StreamNotFound"))

    assert stage.start().outcome == (202, "waiting", "waiting")


def test_a_start_that_was_to_fail_without_a_stream_keeps_live_s_answer(stage: Stage) -> None:
    stage.live.answers(START, StreamNotLive("StreamNotFound", request_id="R-9"))
    got = stage.start({"if_not_live": "fail"})

    assert got.refusal == (409, "StreamNotFound")
    assert got.json["request_id"] == "R-9"
    assert stage.status().json["wanted"] is False


def test_the_second_asker_of_a_wanted_stream_may_fail_and_the_intent_stays(stage: Stage) -> None:
    stage.happens(Published(NOON))
    stage.start()
    stage.happens(Unpublished(NOON + 10_000))
    stage.live.answers(RESTART, StreamNotLive("StreamNotFound"))

    assert stage.ask("POST", f"{ROOM}/restart").refusal == (409, "StreamNotFound")
    assert stage.status().json["wanted"] is True


@pytest.mark.parametrize(
    ("command", "path", "answer", "expected"),
    [
        (
            START,
            "start",
            AlreadyStarted("TaskAlreadyStarted"),
            (200, "already_recording", "recording"),
        ),
        (START, "start", Throttled("Throttling", retry_after=LONG), (202, "queued", "starting")),
        (START, "start", InDoubt("InternalError", status=500), (202, "unknown", "starting")),
        (STOP, "stop", StreamNotLive("StreamNotFound"), (200, "already_stopped", "idle")),
        (STOP, "stop", AlreadyStarted("TaskAlreadyStarted"), (200, "already_stopped", "idle")),
        (
            STOP,
            "stop",
            UnknownRejection("SomethingNew", status=400),
            (200, "already_stopped", "idle"),
        ),
        (STOP, "stop", Throttled("Throttling", retry_after=LONG), (202, "queued", "stopping")),
        (RESTART, "restart", InDoubt("", status=502), (202, "unknown", "starting")),
    ],
)
def test_what_an_answer_makes_of_an_ask(
    live: Stage, command: Command, path: str, answer: LiveError, expected: tuple[int, str, str]
) -> None:
    if command is not START:
        live.start()
    live.live.answers(command, *[answer] * 20)

    assert live.ask("POST", f"{ROOM}/{path}").outcome == expected


@pytest.mark.parametrize(
    ("command", "path", "answer", "expected"),
    [
        (START, "start", NoRecordConfig("InvalidConfig.NotFound"), (400, "CodeConfigNotFound")),
        (START, "start", InvalidCommand("MalformedParam"), (400, "MalformedParam")),
        (START, "start", InvalidCommand("InvalidDomain.NotFound"), (400, "InvalidDomain.NotFound")),
        (START, "start", UnknownRejection("SomethingNew"), (400, "SomethingNew")),
        (
            START,
            "start",
            OperatorActionNeeded("InvalidAccessKeyId.NotFound"),
            (502, "UpstreamAuth"),
        ),
        (STOP, "stop", InvalidCommand("MissingParam"), (400, "MissingParam")),
        (STOP, "stop", OperatorActionNeeded("Forbidden.RAM"), (502, "UpstreamAuth")),
        (
            START,
            "start",
            LiveNotActivated("LiveServiceNotFound"),
            (502, "LiveServiceNotFound"),
        ),
        (RESTART, "restart", StreamNotLive("InvalidStream.NotFound"), (409, "StreamNotFound")),
        (RESTART, "restart", AlreadyStarted("TaskAlreadyStarted"), (409, "TaskAlreadyStarted")),
        (RESTART, "restart", InvalidCommand("MalformedParam"), (400, "MalformedParam")),
        (RESTART, "restart", UnknownRejection("SomethingNew"), (400, "SomethingNew")),
    ],
)
def test_what_an_answer_refuses(
    live: Stage, command: Command, path: str, answer: LiveError, expected: tuple[int, str]
) -> None:
    if command is not START:
        live.start()
    live.live.answers(command, answer)

    assert live.ask("POST", f"{ROOM}/{path}").refusal == expected


def test_what_was_queued_says_when_to_ask_again(live: Stage) -> None:
    live.live.answers(START, Throttled("Throttling.User", retry_after=20_500))

    assert live.start().headers["Retry-After"] == "21"


@pytest.mark.parametrize("answer", [NeverSent("", "refused"), Unavailable("ServiceUnavailable")])
def test_what_did_nothing_is_tried_again_within_the_invocation(
    live: Stage, answer: LiveError, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.live.answers(START, answer)

    assert live.start().outcome == (200, "accepted", "starting")
    assert live.live.sent == [START, START]


def test_the_intent_is_kept_while_our_credentials_are_refused(live: Stage) -> None:
    live.live.answers(START, OperatorActionNeeded("InvalidAccessKeyId.NotFound"))
    live.start()
    status = live.status().json

    assert (status["wanted"], status["pending"]["command"]) == (True, "start")
    assert status["reason"]["code"] == "operator_action_needed"


def test_a_second_start_moves_the_end_and_sends_nothing(recording: Stage) -> None:
    got = recording.start({"max_duration": "1h"})

    assert got.outcome == (200, "already_recording", "recording")
    assert got.json["until"] == rfc3339(NOON + 60_000 + HOUR_MS)
    assert recording.live.sent == [START]


def test_a_start_of_a_failed_session_that_is_repeated_says_that_it_waits(live: Stage) -> None:
    live.live.answers(START, NoRecordConfig("CodeConfigNotFound"))
    live.start(Idempotency_Key="k1")
    got = live.start(Idempotency_Key="k1")

    assert got.outcome == (202, "waiting", "failed")
    assert got.json["reason"]["code"] == "no_record_config"


# --- stop, extend, restart, cancel_delay


def test_a_stop_is_accepted_holds_and_says_when_the_file_comes(recording: Stage) -> None:
    recording.clock.pass_ms(1000)
    got = recording.stop({"hold": "2h"})

    assert got.outcome == (200, "accepted", "idle")
    assert got.json["intent"]["held_until"] == rfc3339(NOON + 61_000 + 2 * HOUR_MS)
    assert got.json["file_by"] == rfc3339(NOON + 61_000 + 180_000)


def test_a_stop_says_all_the_time_that_a_rule_may_wait_for_the_next_publish(stage: Stage) -> None:
    key = replace(KEY, app="classroom")
    path = f"/v1/recordings/{key.url_path}"
    stage.happens(Published(NOON), key)
    answers = [stage.ask("POST", f"{path}/stop", {"hold": "1h"}).json]
    stage.happens(Reported("record_paused", recording=False), key)
    for minutes in (1, 60):
        stage.clock.pass_ms(minutes * 60_000)
        answers.append(stage.ask("GET", path).json)

    assert [answer["reason"]["code"] for answer in answers] == ["held", "held", "asked_stop"]
    for answer in answers:
        assert "may wait for the next publish" in answer["reason"]["text"]
        assert (answer["phase"], answer["wrong"], answer["wanted"]) == ("idle", None, False)


def test_a_stop_that_finalizes_sends_both_commands(recording: Stage) -> None:
    recording.clock.pass_ms(1000)
    got = recording.stop({"finalize": True})

    assert recording.live.sent == [START, STOP, CANCEL]
    assert (got.status, got.json["command"]) == (200, "cancel_delay")
    assert got.json["file_by"] == rfc3339(recording.clock.now)


def test_a_stop_of_a_name_that_never_was_says_that_nothing_was_known(stage: Stage) -> None:
    stage.live.answers(STOP, *[StreamNotLive("StreamNotFound")] * 3)

    assert stage.stop().outcome == (200, "never_known", "idle")
    assert stage.live.sent == [STOP]
    assert stage.stop().json["outcome"] == "never_known"
    assert stage.stop().json["outcome"] == "never_known"


def test_a_cancel_delay_of_a_name_that_never_was_says_that_nothing_was_known(stage: Stage) -> None:
    stage.live.answers(CANCEL, *[StreamNotLive("StreamNotFound")] * 2)

    for _ in range(2):
        got = stage.ask("POST", f"{ROOM}/cancel_delay", {})
        assert got.outcome == (200, "never_known", "idle")


def test_a_stop_of_a_stream_that_was_set_to_record_says_that_it_is_stopped(stage: Stage) -> None:
    stage.live.answers(START, StreamNotLive("StreamNotFound"))
    stage.live.answers(STOP, StreamNotLive("StreamNotFound"))
    stage.start()

    assert stage.stop().outcome == (200, "already_stopped", "idle")


def test_a_stop_of_a_stream_that_left_a_file_says_that_it_is_stopped(stage: Stage) -> None:
    stage.happens(FileLeft("app/room1.flv", NOON - 60_000, NOON - 1_000))
    stage.live.answers(STOP, StreamNotLive("StreamNotFound"))

    assert stage.stop().outcome == (200, "already_stopped", "idle")


def test_a_stop_of_a_stream_that_a_schedule_names_says_that_it_is_stopped(stage: Stage) -> None:
    begins, ends = NOON + 600_000, NOON + 1_200_000
    show = Occurrence("show@1", "show", begins, begins, ends, ends)
    stage.happens(OccurrencesPlanned("show", (show,)))
    stage.live.answers(STOP, StreamNotLive("StreamNotFound"))

    assert stage.stop().outcome == (200, "already_stopped", "idle")


def test_a_file_that_cannot_be_hastened_comes_after_the_delay(recording: Stage) -> None:
    recording.happens(Unpublished(NOON + 60_000))
    recording.live.answers(STOP, StreamNotLive("StreamNotFound"))
    recording.live.answers(CANCEL, StreamNotLive("StreamNotFound"))
    got = recording.stop({"finalize": True})

    assert got.outcome == (200, "already_stopped", "idle")
    assert got.json["file_by"] == rfc3339(NOON + 60_000 + 180_000)


def test_a_stop_may_hold_for_the_session_of_now_alone(recording: Stage) -> None:
    recording.stop({"hold": "session"})

    assert recording.status().json["held"] is True
    recording.happens(Published(NOON + 120_000))
    assert recording.status().json["held"] is False


def test_an_end_is_extended(recording: Stage) -> None:
    until = rfc3339(NOON + 5 * HOUR_MS)
    got = recording.ask("POST", f"{ROOM}/extend", {"until": until})

    assert got.outcome == (200, "already_recording", "recording")
    assert got.json["until"] == until


@pytest.mark.parametrize(
    ("path", "code"),
    [("start", "asked_again"), ("extend", "asked_extend"), ("restart", "asked_restart")],
)
def test_the_history_keeps_the_note_of_whoever_asks(recording: Stage, path: str, code: str) -> None:
    body = {"max_duration": "3h"} if path == "extend" else {}
    assert recording.ask("POST", f"{ROOM}/{path}", {**body, "note": "encore"}).status == 200

    history = recording.ask("GET", f"{ROOM}/history").json["history"]
    notes = [line["about"].get("note") for line in history if line["code"] == code]
    assert notes == ["encore"]


@pytest.mark.parametrize("path", ["start", "extend"])
def test_an_end_that_has_passed_by_arithmetic_is_refused_and_stops_nothing(
    recording: Stage, path: str
) -> None:
    before = recording.status().json["until"]
    recording.clock.pass_ms(2 * HOUR_MS)
    got = recording.ask("POST", f"{ROOM}/{path}", {"max_duration": "1h"})

    began, now = NOON + 60_000, NOON + 60_000 + 2 * HOUR_MS
    assert got.refusal == (409, "WrongState")
    assert f"{rfc3339(began)} + 1h = {rfc3339(began + HOUR_MS)}" in got.json["detail"]
    assert f"`until` {rfc3339(now + HOUR_MS)}" in got.json["hint"]
    recording.happens(TimePassed())
    assert (recording.live.sent, recording.status().json["until"]) == ([START], before)


def test_the_hint_goes_no_further_than_the_stage_records(recording: Stage) -> None:
    recording.clock.pass_ms(11 * HOUR_MS)
    got = recording.ask("POST", f"{ROOM}/extend", {"max_duration": "3h"})

    assert f"`until` up to {rfc3339(NOON + 60_000 + 12 * HOUR_MS)}" in got.json["hint"]
    assert recording.ask("POST", f"{ROOM}/extend", {"max_duration": "12h"}).status == 200


@pytest.mark.parametrize("path", ["start", "extend"])
def test_an_end_beyond_what_the_stage_records_in_all_is_refused_not_cut(
    recording: Stage, path: str
) -> None:
    recording.clock.pass_ms(6 * HOUR_MS)
    latest = NOON + 60_000 + 12 * HOUR_MS
    got = recording.ask("POST", f"{ROOM}/{path}", {"until": rfc3339(latest + 1000)})

    assert got.refusal == (400, "MalformedParam")
    assert [error["field"] for error in got.json["errors"]] == ["until"]
    assert f"{rfc3339(NOON + 60_000)} + 12h = {rfc3339(latest)}" in got.json["detail"]
    assert "LIVE_RECORD_MAX_DURATION" in got.json["hint"]
    fits = recording.ask("POST", f"{ROOM}/{path}", {"until": rfc3339(latest)})
    assert (fits.status, fits.json["until"]) == (200, rfc3339(latest))


def test_a_refused_end_is_said_in_chinese_too(recording: Stage) -> None:
    recording.clock.pass_ms(2 * HOUR_MS)
    got = recording.start({"max_duration": "1h"}, Accept_Language="zh")

    assert "已经过去" in got.json["detail"]


def test_extending_needs_an_end(recording: Stage) -> None:
    assert recording.ask("POST", f"{ROOM}/extend").refusal == (400, "MissingParam")


@pytest.mark.parametrize("path", ["extend", "restart"])
def test_what_is_not_wanted_is_neither_extended_nor_cut(stage: Stage, path: str) -> None:
    body = {"max_duration": "1h"} if path == "extend" else None

    assert stage.ask("POST", f"{ROOM}/{path}", body).refusal == (409, "WrongState")


def test_a_wanted_stream_that_is_not_live_is_not_cut(stage: Stage) -> None:
    stage.live.answers(START, StreamNotLive("StreamNotFound"))
    stage.start()
    got = stage.ask("POST", f"{ROOM}/restart")

    assert got.refusal == (409, "WrongState")
    assert "not live" in got.json["detail"]


def test_a_file_is_cut(recording: Stage) -> None:
    got = recording.ask("POST", f"{ROOM}/restart")

    assert got.outcome == (200, "accepted", "starting")
    assert (got.json["command"], recording.live.sent) == ("restart", [START, RESTART])


def test_a_rejected_cut_is_no_success_though_a_start_follows_it(recording: Stage) -> None:
    recording.clock.pass_ms(1000)
    recording.live.answers(RESTART, InvalidCommand("MalformedParam"))

    assert recording.ask("POST", f"{ROOM}/restart").refusal == (400, "MalformedParam")
    assert recording.live.sent == [START, RESTART, START]


def test_the_wait_after_a_stop_is_ended(recording: Stage) -> None:
    recording.stop()
    recording.clock.pass_ms(1000)
    got = recording.ask("POST", f"{ROOM}/cancel_delay")

    assert (got.status, got.json["outcome"]) == (200, "accepted")
    assert recording.live.sent == [START, STOP, CANCEL]


def test_the_wait_of_what_is_wanted_is_not_ended(recording: Stage) -> None:
    assert recording.ask("POST", f"{ROOM}/cancel_delay").refusal == (409, "WrongState")


# --- Idempotency-Key


def test_the_same_key_again_changes_nothing_even_after_a_stop(recording: Stage) -> None:
    recording.start(Idempotency_Key="k1")
    recording.stop()
    got = recording.start(Idempotency_Key="k1")

    assert got.outcome == (200, "already_stopped", "idle")
    assert recording.live.sent == [START, STOP]


def test_a_start_without_a_key_that_is_repeated_after_a_stop_starts(recording: Stage) -> None:
    recording.stop()
    recording.clock.pass_ms(1000)
    recording.start()

    assert recording.live.sent == [START, STOP, START]


def test_the_same_key_with_another_body_or_ask_is_refused(recording: Stage) -> None:
    recording.start({"note": "one"}, Idempotency_Key="k1")

    expected = (422, "IdempotencyKeyReused")
    assert recording.start({"note": "two"}, Idempotency_Key="k1").refusal == expected
    assert recording.stop(Idempotency_Key="k1").refusal == expected


def test_the_same_key_of_another_token_is_another_key(recording: Stage) -> None:
    recording.start({"note": "one"}, Idempotency_Key="k1")
    got = recording.ask("POST", f"{ROOM}/stop", token="aux-token", Idempotency_Key="k1")

    assert got.outcome == (200, "accepted", "idle")
    assert recording.live.sent == [START, STOP]


def test_a_key_that_an_older_release_kept_is_known_to_every_token(recording: Stage) -> None:
    """It did not keep whose key it was: a restart that is repeated after the upgrade is one."""
    loaded = recording.store.load(KEY)
    recording.ask("POST", f"{ROOM}/restart", Idempotency_Key="k1")
    kept = recording.store.load(KEY)
    older = tuple(replace(key, who="") for key in kept.record.asked)
    assert loaded.version < kept.version
    recording.store.save_or_claim(Save(kept.version, replace(kept.record, asked=older)))
    recording.ask("POST", f"{ROOM}/restart", Idempotency_Key="k1")

    assert recording.live.sent.count(RESTART) == 1


def test_a_key_is_forgotten_after_a_day(recording: Stage) -> None:
    recording.start({"note": "one"}, Idempotency_Key="k1")
    recording.clock.pass_ms(24 * HOUR_MS)

    assert recording.start({"note": "two"}, Idempotency_Key="k1").status < 300


def test_the_key_of_a_refused_ask_may_be_used_again(live: Stage) -> None:
    assert live.ask("POST", f"{ROOM}/restart", Idempotency_Key="k1").status == 409
    live.start()
    live.ask("POST", f"{ROOM}/restart", Idempotency_Key="k1")

    assert live.live.sent == [START, RESTART]


def test_a_record_remembers_its_newest_hundred_keys(recording: Stage) -> None:
    for number in range(120):
        recording.start(Idempotency_Key=f"k{number}")

    kept = [once.key for once in recording.store.load(KEY).record.asked]
    assert (len(kept), kept[-1]) == (100, "k119")


@pytest.mark.parametrize("key", ["", "k" * 201, "tab\there"])
def test_a_key_that_cannot_be_kept_is_refused(stage: Stage, key: str) -> None:
    got = stage.start(Idempotency_Key=key)

    assert got.refusal == (400, "MalformedParam")
    assert got.json["errors"][0]["field"] == "Idempotency-Key"


# --- Prefer: wait


def test_a_start_waits_for_its_confirmation(live: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    confirms = Reported("record_started", recording=True)
    while_waiting(live, monkeypatch, lambda: live.happens(confirms))
    got = live.start(Prefer="wait=8")

    assert (got.outcome, got.json["confirmed"]) == ((200, "accepted", "recording"), True)
    assert got.headers["Preference-Applied"] == "wait=8"


def test_a_wait_ends_with_its_seconds(live: Stage) -> None:
    before = live.clock.now
    got = live.start(Prefer="respond-async, wait=2")

    assert (got.status, got.json["confirmed"]) == (200, False)
    assert live.clock.now - before == pytest.approx(2000, abs=150)


def test_a_wait_fits_into_the_budget(live: Stage) -> None:
    before = live.clock.now
    got = live.start(Prefer="wait=3600")

    assert got.headers["Preference-Applied"] == "wait=9"
    assert live.clock.now - before < 12_000


@pytest.mark.parametrize("preference", ["wait=soon", "respond-async", "wait=-1", ""])
def test_a_preference_that_cannot_be_read_is_none(live: Stage, preference: str) -> None:
    assert "Preference-Applied" not in live.start(Prefer=preference).headers


def settling(stage: Stage, answer: Accepted | LiveError) -> Callable[[], object]:
    """Reconcile sends what was queued, and this is Live's answer."""

    def settle() -> None:
        stage.clock.pass_ms(LONG)
        stage.live.script.clear()
        if isinstance(answer, LiveError):
            stage.live.answers(START, *[answer] * 20)
            stage.live.answers(STOP, answer)
        stage.happens(TimePassed())

    return settle


@pytest.mark.parametrize(
    ("answer", "status", "payload"),
    [
        (Accepted("R-1"), 200, "accepted"),
        (AlreadyStarted("TaskAlreadyStarted"), 200, "already_recording"),
        (NoRecordConfig("CodeConfigNotFound"), 400, "CodeConfigNotFound"),
        (UnknownRejection("SomethingNew"), 400, "SomethingNew"),
        (OperatorActionNeeded("Forbidden.RAM"), 502, "UpstreamAuth"),
        (InDoubt("InternalError", status=500), 202, "unknown"),
        (Throttled("Throttling", retry_after=LONG), 202, "queued"),
    ],
)
def test_a_queued_start_waits_for_what_becomes_of_it(
    live: Stage,
    monkeypatch: pytest.MonkeyPatch,
    answer: Accepted | LiveError,
    status: int,
    payload: str,
) -> None:
    live.live.answers(START, Throttled("Throttling", retry_after=LONG))
    while_waiting(live, monkeypatch, settling(live, answer))
    got = live.start({"max_duration": "10h"}, Prefer="wait=8")

    assert (got.status, got.json.get("outcome", got.json.get("code"))) == (status, payload)


def test_a_queued_stop_waits_until_it_is_over(
    recording: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.live.answers(STOP, Throttled("Throttling", retry_after=LONG))
    while_waiting(recording, monkeypatch, settling(recording, StreamNotLive("StreamNotFound")))

    assert recording.stop(Prefer="wait=8").outcome == (200, "already_stopped", "idle")


def test_a_wait_ends_when_somebody_intents_otherwise(
    live: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_waiting(live, monkeypatch, live.stop)
    before = live.clock.now
    got = live.start(Prefer="wait=8")

    assert got.json["wanted"] is False
    assert live.clock.now - before < 1000


# --- what is read


def test_a_stream_never_heard_of_says_so(stage: Stage) -> None:
    status = stage.status().json

    assert (status["phase"], status["ever_live"]) == ("idle", False)
    assert status["reason"]["code"] == "never_asked"


def test_the_whole_record_of_a_recording_is_shown(recording: Stage) -> None:
    recording.happens(Reported("record_started", recording=True))
    status = recording.status().json

    assert (status["phase"], status["confirmed"]) == ("recording", True)
    assert status["session"]["number"] == 1
    assert status["last_report"]["what"] == "record_started"
    assert status["last_answer"]["reason"] == {"code": "accepted", "text": "Live accepted start"}


def test_a_command_that_is_owed_is_shown(recording: Stage) -> None:
    recording.live.answers(STOP, Throttled("Throttling", retry_after=LONG))
    recording.stop()

    assert recording.status().json["pending"]["attempts"] == 1


def test_texts_come_in_the_language_that_is_liked_best(stage: Stage) -> None:
    def said(accepted: str) -> str:
        got = stage.ask("GET", ROOM, Accept_Language=accepted)
        return str(got.json["reason"]["text"])

    assert "没有" in said("zh-CN,zh;q=0.9,en;q=0.8")
    assert "没有" in said("fr, en;q=0.4, zh;q=0.5")
    assert "nobody" in said("en-GB")
    assert "nobody" in said("zh;q=0, fr")
    assert "nobody" in said("zh;q=much")


def test_history_is_newest_first(recording: Stage) -> None:
    body = recording.ask("GET", f"{ROOM}/history", query={"limit": "2"}).json["history"]
    every = recording.ask("GET", f"{ROOM}/history").json["history"]

    assert [line["code"] for line in body] == ["confirmed", "accepted"]
    assert every[-1]["code"] == "published"


def test_files_are_listed_newest_first_and_once(recording: Stage) -> None:
    left = FileLeft("record/1.mp4", NOON, NOON + 60_000, 59_403)
    for file in (left, FileLeft("record/2.mp4", NOON + 60_000, NOON + 90_000), left):
        recording.happens(file)
    body = recording.ask("GET", f"{ROOM}/files").json["files"]

    assert [file["uri"] for file in body] == ["record/2.mp4", "record/1.mp4"]
    assert body[1] == {
        "uri": "record/1.mp4",
        "start": rfc3339(NOON),
        "stop": rfc3339(NOON + 60_000),
        "duration": 59.403,
        "push_args": {},
        "verified": None,
        "copy": None,
        "url": None,
    }


def test_a_file_shows_the_publisher_s_own_id_and_is_found_by_it(recording: Stage) -> None:
    for number in (1, 2, 3):
        tie = (("callback_id", str(number % 2)), ("callback_tenant", "t1"))
        left = FileLeft(f"record/{number}.mp4", NOON, NOON + number, push_args=tie)
        recording.happens(left)
    query = {"push_arg": "callback_id=1"}
    body = recording.ask("GET", f"{ROOM}/files", query=query).json["files"]
    first = recording.ask("GET", f"{ROOM}/files", query={**query, "limit": "1"}).json["files"]

    assert [file["uri"] for file in body] == ["record/3.mp4", "record/1.mp4"]
    assert body[0]["push_args"] == {"callback_id": "1", "callback_tenant": "t1"}
    assert first == body[:1]
    assert recording.ask("GET", f"{ROOM}/files", query={"push_arg": "callback_id"}).status == 400


def test_of_a_file_that_told_no_duration_the_times_tell_it(recording: Stage) -> None:
    for file in (FileLeft("a.mp4", NOON, NOON + 60_500), FileLeft("vod:v-1", None, None)):
        recording.happens(file)
    body = recording.ask("GET", f"{ROOM}/files").json["files"]

    assert [file["duration"] for file in body] == [60.5, None]
    assert (body[1]["start"], body[1]["stop"]) == (None, None)


def test_files_have_an_address_where_the_stage_says_where_they_are_read(recording: Stage) -> None:
    base = "https://bucket.example.com/"
    recording.app = replace(recording.app, settings=replace(recording.app.settings, files_url=base))
    for n, uri in enumerate(("record/a b#1.flv", "vod:v-1")):
        recording.happens(FileLeft(uri, NOON - n, NOON + 60_000))
    body = recording.ask("GET", f"{ROOM}/files").json["files"]

    assert [file["url"] for file in body] == [f"{base}record/a%20b%231.flv", None]


def _listed(stage: Stage, **query: str) -> Got:
    return stage.ask("GET", "/v1/recordings", query=query)


def _names(got: Got) -> list[str]:
    return [row["stream"].rpartition("/")[2] for row in got.json["recordings"]]


@pytest.fixture
def many(stage: Stage) -> Stage:
    for number in range(5):
        stage.happens(Published(NOON), StreamKey("live.example.com", "classroom", f"c{number}"))
        stage.happens(Published(NOON), StreamKey("live.example.com", "app", f"a{number}"))
        stage.clock.pass_ms(100)
    return stage


def test_every_stream_is_listed_with_how_many_stand_how(many: Stage) -> None:
    got = _listed(many)

    assert len(got.json["recordings"]) == 10
    assert (got.json["phases"]["starting"], got.json["phases"]["idle"]) == (5, 5)
    assert got.json["next"] is None


def test_a_list_is_narrowed_by_phase_domain_and_application(many: Stage) -> None:
    assert _names(_listed(many, phase="starting")) == [f"c{n}" for n in range(5)]
    assert _names(_listed(many, app="app", domain="push.example.com", limit="1")) == ["a0"]
    assert _names(_listed(many, app="nobody's")) == []


def test_pages_show_every_stream_once_whatever_is_added_before_them(many: Stage) -> None:
    first = _listed(many, limit="4")
    many.happens(Published(NOON), StreamKey("live.example.com", "app", "a00"))
    second = _listed(many, limit="4", cursor=first.json["next"])
    third = _listed(many, limit="4", cursor=second.json["next"])

    assert len(set(_names(first) + _names(second) + _names(third))) == 10
    assert third.json["next"] is None


@pytest.mark.parametrize("cursor", ["x", "é", "bm8=", "WzEsMiwzXQ==", "WyJcdWQ4MDAiLCJhIiwiYiJd"])
def test_a_cursor_that_was_not_ours_is_refused(stage: Stage, cursor: str) -> None:
    assert _listed(stage, cursor=cursor).refusal == (400, "MalformedParam")


def test_a_list_of_an_unknown_domain_is_refused(stage: Stage) -> None:
    assert _listed(stage, domain="elsewhere.com").refusal == (404, "NotFound")


# --- a store that is gone


@pytest.mark.parametrize(("step", "sent"), [("load", 0), ("save_or_claim", 1)])
def test_an_ask_claims_nothing_of_a_store_that_is_gone_before_it_or_while_it_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, sent: int
) -> None:
    perform, left = getattr(stage.store, step), iter(range(sent))

    def gone(asked: object) -> object:
        if next(left, None) is None:
            raise StoreUnavailable("/secret/path.db: disk I/O error")
        return perform(asked)

    monkeypatch.setattr(stage.store, step, gone)
    got = stage.start()

    assert got.refusal == (503, "StoreUnavailable")
    assert got.headers["Retry-After"] == "1"
    assert "not known" in got.json["detail"]
    assert len(stage.live.sent) == sent


def test_no_more_than_half_of_the_instances_wait(live: Stage) -> None:
    """Each request that waits holds one; the one too many is answered as if it had not asked to."""
    for number in range(MAX_WAITING):
        live.store.register(WAITING, f"another-{number}", 60_000)
    before = live.clock.now
    got = live.start(Prefer="wait=9")

    assert (got.status, "Preference-Applied" in got.headers) == (200, False)
    assert live.clock.now == before
    live.store.deregister(WAITING, "another-0")
    assert live.start(Prefer="wait=9").headers["Preference-Applied"] == "wait=9"


# --- what is refused


@pytest.mark.parametrize("token", ["", "wrong-token", "ops-token2"])
def test_without_a_known_token_nothing_is_told(stage: Stage, token: str) -> None:
    got = stage.ask("GET", ROOM, token=token)

    assert got.refusal == (401, "Unauthorized")
    assert got.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("most", [2**63, 10_000_000, 0, -1, 1.5, True])
def test_a_cap_that_no_store_can_count_is_refused(stage: Stage, most: float) -> None:
    """Once the script of the Redis stopped half-way."""
    policy = {"domain": [{"streaming": KEY.domain}], "rule": [{"max_concurrent": most}]}
    got = stage.ask("POST", "/v1/policy/apply", {"policy": policy, "replaces": 0})

    assert got.status == 400
    assert [fault["field"] for fault in got.json["errors"]] == ["policy: rule #1 max_concurrent"]


def test_whoever_controls_recordings_may_not_change_the_policy(stage: Stage) -> None:
    """It says where callbacks are forwarded to, whose push URLs hold secrets."""
    policy = stage.ask("GET", "/v1/policy", token="aux-token").json["policy"]
    body = {"policy": policy, "replaces": 0}

    assert stage.ask("POST", "/v1/policy/apply", body, token="aux-token").status == 403
    assert stage.ask("POST", "/v1/policy/apply", body).status == 200


def test_a_policy_forwards_to_hosts_of_the_environment_alone(stage: Stage) -> None:
    policy = stage.ask("GET", "/v1/policy").json["policy"]
    policy["forward_to"] = {"on_demand": "http://attacker.example.com:8080/x"}
    got = stage.ask("POST", "/v1/policy/apply", {"policy": policy, "replaces": 0})

    assert got.refusal == (400, "MalformedParam")
    assert "attacker.example.com is not in LIVE_RECORD_FORWARD_HOSTS" in got.json["detail"]


def test_a_token_that_may_only_read_changes_nothing(stage: Stage) -> None:
    assert stage.ask("GET", ROOM, token="eye-token").status == 200
    assert stage.ask("POST", f"{ROOM}/start", token="eye-token").refusal == (403, "Forbidden")
    assert stage.live.sent == []


@pytest.mark.parametrize("of", ["body", "query"])
def test_an_answer_does_not_grow_with_what_is_wrong(stage: Stage, of: str) -> None:
    """1,400 unknown fields were answered with 355 KB."""
    fields = {f"u{number}": "" for number in range(1_200)}
    if of == "body":
        got = stage.ask("POST", f"{ROOM}/start", fields)
    else:
        got = stage.ask("GET", "/v1/recordings", query=fields)

    assert got.refusal == (400, "MalformedParam")
    assert len(json.dumps(got.json)) < 16_384
    assert "faults that are not listed: 1170" in got.json["detail"]


def test_a_field_s_name_is_repeated_in_part_only(stage: Stage) -> None:
    got = stage.ask("POST", f"{ROOM}/start", {"n" * 15_000: 1})

    assert len(json.dumps(got.json)) < 2_000


def test_another_scheme_is_no_token(stage: Stage) -> None:
    got = stage.ask("GET", ROOM, token="", Authorization="Basic b3BzLXRva2Vu")

    assert got.refusal == (401, "Unauthorized")


def test_with_no_token_configured_every_request_is_refused(tmp_path: Path, clock: Clock) -> None:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS="")

    assert stage.ask("GET", ROOM).refusal == (401, "Unauthorized")


def test_an_ingest_domain_leads_to_the_streaming_domain(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/recordings/PUSH.example.com/app/room1")

    assert got.json["stream"] == "live.example.com/app/room1"


def test_an_unknown_domain_is_told_the_known_ones(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/recordings/elsewhere.com/app/room1")

    assert got.refusal == (404, "NotFound")
    assert "live.example.com" in got.json["hint"]


@pytest.mark.parametrize("name", ["room*", "*"])
def test_a_wildcard_is_refused_with_the_reason(stage: Stage, name: str) -> None:
    got = stage.ask("POST", f"/v1/recordings/live.example.com/app/{name}/start")

    assert got.refusal == (400, "MalformedParam")
    assert "one stream a request" in got.json["detail"]


@pytest.mark.parametrize("name", ["%00", "x" * 513, "%ed%a0%80%0a", "%2E%2E"])
def test_what_is_no_name_is_refused(stage: Stage, name: str) -> None:
    got = stage.ask("GET", f"/v1/recordings/live.example.com/app/{name}")

    assert got.refusal == (400, "MalformedParam")


def test_an_empty_name_is_refused_with_every_other(stage: Stage) -> None:
    got = stage.ask("POST", "/v1/recordings//*/room1/start")

    assert [error["field"] for error in got.json["errors"]] == ["domain", "app"]


def test_an_unknown_path_leads_to_the_description(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/recording")

    assert got.refusal == (404, "NotFound")
    assert "openapi.json" in got.json["hint"]


def test_a_path_may_come_without_its_prefix(stage: Stage) -> None:
    assert stage.ask("GET", "/health").status == 200
    assert stage.ask("GET", ROOM.removeprefix("/v1")).status == 200


def test_another_method_is_told_which_ones_there_are(stage: Stage) -> None:
    got = stage.ask("DELETE", f"{ROOM}/start")

    assert got.refusal == (405, "MethodNotAllowed")
    assert got.headers["Allow"] == "POST"


def test_a_body_of_more_than_16_kib_is_refused(stage: Stage) -> None:
    assert stage.start("x" * 16_385).refusal == (413, "TooLarge")


def test_a_body_that_is_not_json_is_refused(stage: Stage) -> None:
    got = stage.start("reason=x", Content_Type="application/x-www-form-urlencoded")

    assert got.refusal == (415, "UnsupportedMediaType")
    assert stage.start("{").refusal == (400, "MalformedParam")


def test_every_bad_field_is_told_at_once(stage: Stage) -> None:
    body = {
        "on_interruption": "explode",
        "max_duration": "soon",
        "note": "x" * 201,
        "untill": "2026-11-22T20:00:00Z",
        "zzz": 1,
    }
    got = stage.start(body)

    assert got.refusal == (400, "MalformedParam")
    assert {error["field"] for error in got.json["errors"]} == set(body)
    assert "did you mean until?" in got.json["detail"]


def test_the_parts_of_a_request_are_named_in_chinese_too(stage: Stage) -> None:
    body = stage.ask("POST", f"{ROOM}/start", {"untill": "x"}, accept_language="zh").json
    query = stage.ask("GET", f"{ROOM}/history", query={"limmit": "1"}, accept_language="zh").json
    assert "不是请求体的字段：是否应为 until" in body["detail"]
    assert "不是查询参数" in query["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59-23:59"},
        {"until": "2026-11-22T20:00:00Z", "max_duration": "1h"},
        {"until": 5},
        {"if_not_live": None},
        {"note": "a\nb"},
        {"note": "\ud800"},
    ],
)
def test_what_makes_no_sense_is_refused(stage: Stage, body: object) -> None:
    assert stage.start(body).refusal == (400, "MalformedParam")


def test_a_name_in_another_encoding_is_refused_and_not_taken_for_another(stage: Stage) -> None:
    """As a browser or a shell that speaks GBK writes it."""
    got = stage.ask("POST", "/v1/recordings/live.example.com/app/%B7%BF%BC%E4/start")

    assert got.refusal == (400, "MalformedParam")
    assert "UTF-8" in got.json["detail"]


@pytest.mark.parametrize("path", ["start", "extend"])
def test_more_than_the_stage_records_is_refused_with_the_setting_that_allows_it(
    stage: Stage, path: str
) -> None:
    too_far = rfc3339(NOON + 12 * HOUR_MS + 1000)
    for body in ({"max_duration": "12h1s"}, {"until": too_far}):
        got = stage.ask("POST", f"{ROOM}/{path}", body)
        assert got.refusal == (400, "MalformedParam")
        assert "at most 12h" in got.json["detail"]
        assert "LIVE_RECORD_MAX_DURATION" in got.json["hint"]
    assert stage.start({"max_duration": "12h"}).status < 300
    assert stage.start({"until": rfc3339(NOON + 12 * HOUR_MS)}).status < 300


@pytest.mark.parametrize("path", ["start", "extend"])
def test_an_end_less_than_a_minute_away_has_to_be_allowed(recording: Stage, path: str) -> None:
    soon = rfc3339(recording.clock.now + 59_000)
    for body in ({"max_duration": "59s"}, {"until": soon}):
        got = recording.ask("POST", f"{ROOM}/{path}", body)
        assert got.refusal == (400, "MalformedParam")
        assert '"allow_short": true' in got.json["hint"]
        allowed = recording.ask("POST", f"{ROOM}/{path}", {**body, "allow_short": True})
        assert allowed.status == 200


def test_a_duration_without_a_unit_is_refused_with_the_units_it_may_have(stage: Stage) -> None:
    for bare in (4, "4"):
        got = stage.start({"max_duration": bare})
        assert got.refusal == (400, "MalformedParam")
        assert got.json["errors"][0]["detail"] == "write a unit: `4s`, `4m` or `4h`"


def test_a_hold_longer_than_the_longest_is_refused_with_the_longest(stage: Stage) -> None:
    got = stage.stop({"hold": "1000h"})

    assert got.refusal == (400, "MalformedParam")
    assert "at most 30d" in got.json["errors"][0]["detail"]
    assert stage.stop({"hold": "30d"}).status < 300


@pytest.mark.parametrize("body", [{"finalize": 1}, {"hold": "for ever"}, {"hold": 0}])
def test_what_makes_no_sense_of_a_stop_is_refused(stage: Stage, body: object) -> None:
    assert stage.stop(body).refusal == (400, "MalformedParam")


@pytest.mark.parametrize("limit", ["0", "1001", "ten", "9" * 30, "\uff11"])
def test_a_limit_is_a_whole_number_within_bounds(stage: Stage, limit: str) -> None:
    got = stage.ask("GET", f"{ROOM}/history", query={"limit": limit})

    assert got.refusal == (400, "MalformedParam")


def test_a_query_that_nobody_reads_is_refused(stage: Stage) -> None:
    assert "the query: none" in stage.ask("GET", ROOM, query={"q": "1"}).json["detail"]


def test_a_command_on_the_wire_is_shown_and_a_second_ask_waits_for_it(live: Stage) -> None:
    steps = live.app.recorder.handle(
        KEY, StartAsked("another instance"), HandlingOptions(slot_wait_ms=250)
    )
    send = next(effect for effect in _until_sent(live, steps))
    status = live.status().json

    assert isinstance(send, Send)
    assert (status["phase"], status["flight"]["command"]) == ("starting", "start")
    assert live.stop().outcome == (202, "queued", "stopping")


def _until_sent(stage: Stage, steps: Steps[HandleResult]) -> Iterator[Send]:
    """Perform the effects up to the first Send and yield it unperformed: it stays on the wire."""
    effect = next(steps)
    while not isinstance(effect, Send):
        effect = steps.send(stage.call()._effects.perform(effect))
    yield effect


@pytest.mark.parametrize("command", ["restart", "cancel_delay"])
def test_history_names_whoever_asked_and_not_the_owner_of_the_intent(
    recording: Stage, command: str
) -> None:
    if command == "cancel_delay":
        recording.stop()
    recording.ask("POST", f"{ROOM}/{command}", token="aux-token")
    history = recording.ask("GET", f"{ROOM}/history").json["history"]
    sent = [line for line in history if line["about"].get("command") == command]

    assert [line["about"]["who"] for line in sent if line["code"] == "sent"] == ["aux"]


# --- what every answer says of a stream (shared/protocol/derived/standing.py)


def test_after_an_unpublish_no_answer_says_that_it_records(recording: Stage) -> None:
    recording.happens(Reported("record_started", recording=True))
    recording.happens(Unpublished(recording.clock.now))
    [row] = recording.ask("GET", "/v1/recordings").json["recordings"]
    status = recording.status().json

    assert (row["phase"], row["confirmed"], row["live"]) == ("waiting", False, "unknown")
    assert row["reason"]["code"] == "may_have_ended"
    assert row == {name: status[name] for name in row}


def test_what_is_lost_is_said_with_its_cause_and_the_next_attempt(live: Stage) -> None:
    live.live.answers(START, *[Throttled("Throttling.User", retry_after=LONG)] * 9)
    live.start()
    live.clock.pass_ms(2_000)
    status = live.status().json

    assert status["wrong"]["lost_ms"] >= 2_000
    assert status["wrong"]["reason"]["code"] == "throttled"
    assert status["next_attempt_at"] == status["pending"]["not_before"]
    assert (status["live"], status["attempts"]) == ("yes", status["pending"]["attempts"])


def test_a_recording_says_how_long_ago_live_showed_it(recording: Stage) -> None:
    recording.happens(Reported("record_started", recording=True))
    recording.clock.pass_ms(5_000)
    status = recording.status().json

    assert (status["confirmed"], status["confirmed_ms_ago"]) == (True, 5_000)
    assert status["wrong"] is None


# --- what is wrong, the longest first


def lose(stage: Stage, name: str, at: int) -> None:
    key = StreamKey("live.example.com", "app", name)
    stage.live.answers(START, *[Throttled("Throttling.User", retry_after=LONG)] * 9)
    stage.happens(Published(at), key)
    stage.happens(StartAsked("ops"), key)


def listed(stage: Stage, **query: str) -> list[str]:
    rows = stage.ask("GET", "/v1/recordings", query={"wrong": "true", **query}).json
    return [row["stream"].rpartition("/")[2] for row in rows["recordings"]]


def test_what_is_not_recorded_is_listed_with_the_longest_loss_first(recording: Stage) -> None:
    for name in ("b", "a", "c"):
        lose(recording, name, recording.clock.now)
        recording.clock.pass_ms(1_000)
    got = recording.ask("GET", "/v1/recordings", query={"wrong": "true"})
    lost = [row["wrong"]["lost_ms"] for row in got.json["recordings"]]

    assert listed(recording) == ["b", "a", "c"]
    assert lost == sorted(lost, reverse=True)
    assert listed(recording, app="another") == listed(recording, phase="failed") == []


def test_a_list_of_what_is_wrong_goes_on_behind_the_page_before(stage: Stage) -> None:
    for name in "abcde":
        lose(stage, name, stage.clock.now)
    found, cursor = list[str](), dict[str, str]()
    for _ in range(3):
        got = stage.ask("GET", "/v1/recordings", query={"wrong": "true", "limit": "2", **cursor})
        found += [row["stream"][-1] for row in got.json["recordings"]]
        cursor = {"cursor": got.json["next"] or ""}

    assert found == list("abcde")
    assert cursor == {"cursor": ""}


def test_a_stage_that_loses_streams_is_degraded_and_says_how_many_since_when_and_why(
    stage: Stage,
) -> None:
    for name in "ab":
        lose(stage, name, stage.clock.now)
    assert stage.ask("GET", "/v1/health", token="").json["status"] == "ready"
    stage.clock.pass_ms(25_000)
    got = stage.ask("GET", "/v1/health", token="")
    strict = stage.ask("GET", "/v1/health", token="", query={"strict": "true"})

    assert (got.status, got.json["ready"], got.json["status"]) == (200, True, "degraded")
    assert (got.json["not_recorded"]["count"], strict.status) == (2, 503)
    assert got.json["not_recorded"]["oldest_ms"] >= 25_000
    assert got.json["not_recorded"]["reason"]["code"] == "throttled"
    assert "Live throttled start" in got.json["problems"][0]["text"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (OperatorActionNeeded("InvalidAccessKeyId"), "operator_action_needed"),
        (InDoubt("InternalError"), "in_doubt"),
        (NoRecordConfig("CodeConfigNotFound"), "no_record_config"),
        (Unavailable("ServiceUnavailable"), "unavailable"),
    ],
)
def test_each_cause_of_a_loss_is_told(stage: Stage, answer: LiveError, cause: str) -> None:
    stage.live.answers(START, *[answer] * 99)
    stage.happens(Published(stage.clock.now))
    stage.start()
    stage.clock.pass_ms(25_000)

    health = stage.ask("GET", "/v1/health", token="").json
    assert health["not_recorded"]["reason"]["code"] == cause
    assert stage.status().json["wrong"]["reason"]["code"] == cause


# --- a store that does not answer ---------------------------------------------------------------


@pytest.mark.parametrize("path", [ROOM, "/v1/recordings"])
def test_who_only_reads_is_not_told_of_what_may_have_been_stored(
    tmp_path: Path, clock: Clock, path: str
) -> None:
    away = Stage(tmp_path, clock, LIVE_RECORD_STORE="redis://127.0.0.1:1")
    read, stop = away.ask("GET", path).json, away.stop().json

    assert (read["code"], stop["code"]) == ("StoreUnavailable", "StoreUnavailable")
    assert "stored" not in f"{read['detail']} {read['hint']}"
    assert read["hint"].startswith("Check the host and port in LIVE_RECORD_STORE")
    assert "it is not known whether the request was stored" in stop["detail"]


# --- a stage that only observes -----------------------------------------------------------------


def test_a_stop_that_a_stage_which_only_observes_does_not_send_is_not_called_done(
    recording: Stage,
) -> None:
    """Live goes on recording: who stops it has to know."""
    now = recording.ask("GET", "/v1/policy").json
    body = {"policy": {**now["policy"], "mode": "observe"}, "replaces": now["version"]}
    assert recording.ask("POST", "/v1/policy/apply", body).status == 200
    stopped = recording.stop()

    assert stopped.outcome == (202, "waiting", "unmanaged")
    for answer in (stopped.json, recording.status().json):
        assert answer["reason"]["code"] == "observed"
        assert answer["reason"]["text"].startswith("stop would have been sent")
    assert not is_as_wanted(recording.status().json)


def test_a_restart_that_a_stage_only_observes_is_refused_since_nobody_sends_it_later(
    tmp_path: Path, clock: Clock
) -> None:
    stage = Stage(tmp_path, clock)
    stage.happens(Published(NOON))
    stage.start()
    stage.happens(Reported("record_started", recording=True))
    observing = Stage(tmp_path, clock, LIVE_RECORD_MODE="observe")
    got = observing.ask("POST", f"{ROOM}/restart")
    chinese = observing.ask("POST", f"{ROOM}/restart", Accept_Language="zh-CN")
    for each in (stage, observing):
        each.store.close()

    assert got.refusal == (409, "WrongState")
    assert got.json["detail"] == "restart would have been sent, but this stage only observes"
    assert chinese.json["hint"] == "之后不会补发该切分命令：请在环境开始执行后重新发送 `restart`"
    assert observing.live.sent == []

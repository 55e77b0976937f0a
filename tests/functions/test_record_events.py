"""Live says what a recording does, and which files it left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functions import record_events
from shared.inbound.catalogue import Language, catalogue, text
from shared.protocol import Command, FileLeft, Phase, StartAsked, StreamKey, phase
from shared.protocol.command_errors import AlreadyStarted
from shared.protocol.file import File
from shared.protocol.reason import Reason
from tests.conftest import KEY, NOON, Clock
from tests.support.callback_stage import HOST, INGEST, RECORD_KEY, TOKEN, Edge

FILE = {
    "uri": "record/live/room42/2026-11-22-10-00-00.mp4",
    "duration": 69.403,
    "start_time": NOON // 1000,
    "stop_time": NOON // 1000 + 54,
}
BROKEN = {"event": "record_error", "error_info": {"code": "BucketNotFound", "message": "gone"}}
LOST = {
    "event": "transformat_error",
    "error_info": {"code": "PermissionDenied.ResourceAccess", "message": "no"},
    "file_info": {"uri": "a/x.flv", "start_time": 1763493420, "stop_time": 1763494119},
}


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Edge:
    return Edge(tmp_path, clock)


@pytest.fixture
def recording(edge: Edge) -> Edge:
    edge.ingest()
    edge.happens(StartAsked("ann"))
    return edge


@pytest.mark.parametrize("event", ["record_started", "record_resumed"])
def test_a_recording_that_runs_confirms_the_start(recording: Edge, event: str) -> None:
    assert recording.record_callback(event=event).status == 200

    started = recording.record().confirmation
    assert started is not None
    assert started.is_confirmed


def test_a_pause_is_known_and_confirms_nothing(recording: Edge) -> None:
    recording.record_callback(event="record_paused", time="2026-11-22T10:00:00Z")

    last_report = recording.record().last_report
    assert last_report is not None
    assert (last_report.what, last_report.recording) == ("record_paused", False)


def test_errors_in_a_row_fail_the_session_and_say_what_mends_it(recording: Edge) -> None:
    for _ in range(3):
        recording.clock.pass_ms(1_000)
        recording.record_callback(**BROKEN)

    assert phase(recording.record()) is Phase.FAILED
    newest = recording.app.store.history(KEY, 1)[0].entry
    for language in Language:
        assert catalogue(language).fixes["BucketNotFound"] in text(newest, language)


def test_no_replayed_record_error_fails_what_live_records(recording: Edge) -> None:
    """Each is answered by one start, which Live refuses as it records already."""
    recording.live.answers(Command.START, *[AlreadyStarted("TaskAlreadyStarted")] * 5)
    for _ in range(5):
        recording.clock.pass_ms(1_000)
        recording.record_callback(**BROKEN)

    assert phase(recording.record()) is Phase.RECORDING
    assert recording.live.sent == [Command.START] * 6


@pytest.mark.parametrize(
    "fields",
    [
        LOST,
        {"event": "record_force_transcode_fail"},
        {"VideoId": "v-1", "EventType": "AddLiveRecordVideoComplete", "Status": "fail"},
    ],
    ids=["transformat_error", "record_force_transcode_fail", "VOD"],
)
def test_a_file_that_is_lost_later_is_told_and_fails_no_session(
    recording: Edge, fields: dict[str, object]
) -> None:
    assert recording.record_callback(**fields).status == 200

    assert phase(recording.record()) is Phase.STARTING
    assert recording.history()[-1] == "file_failed"


def test_a_file_is_kept_once_however_often_it_is_told(recording: Edge) -> None:
    for _ in range(3):
        assert recording.record_callback(**FILE).status == 200

    files = recording.app.store.files(KEY, 10)
    assert [(one.uri, one.start, one.stop) for one in files] == [(FILE["uri"], NOON, NOON + 54_000)]


def test_a_file_that_was_told_of_another_stream_first_is_kept_for_both(recording: Edge) -> None:
    """Once a replayed callback with another stream's name hid the file for good."""
    recording.record_callback(**{**FILE, "stream": "forged", "start_time": 1})
    recording.record_callback(**FILE)

    for key in (KEY, StreamKey(KEY.domain, KEY.app, "forged")):
        assert [one.uri for one in recording.app.store.files(key, 10)] == [FILE["uri"]]
        assert "file" in recording.history(key)
    assert recording.app.store.files(KEY, 10)[0].start == NOON


def test_a_file_is_kept_with_the_duration_that_live_tells(recording: Edge) -> None:
    recording.record_callback(**FILE)

    assert [one.duration for one in recording.app.store.files(KEY, 10)] == [69_403]


def test_one_cycle_leaves_a_file_for_each_format(recording: Edge) -> None:
    for container in ("mp4", "flv"):
        recording.record_callback(
            **{**FILE, "uri": f"a.{container}", "push_args": {"callback_id": "t1"}}
        )

    uris = {one.uri for one in recording.app.store.files(KEY, 10)}
    assert uris == {"a.mp4", "a.flv"}


def test_a_file_keeps_what_ties_it_to_its_publisher_and_nothing_else(recording: Edge) -> None:
    passed = {"callback_id": "42", "secret": "s3cret", "callback_n": 7, "callback_t": "é\0"}
    many = {f"callback_{number}": "x" * 300 for number in range(30)}
    recording.record_callback(**{**FILE, "uri": "a.mp4", "push_args": passed})
    recording.record_callback(**{**FILE, "uri": "b.mp4", "push_args": many})
    recording.record_callback(**{**FILE, "uri": "c.mp4", "push_args": ["callback_id"]})
    args = {file.uri: file.push_args for file in recording.app.store.files(KEY, 10)}

    assert args["a.mp4"] == (("callback_id", "42"), ("callback_t", "é\ufffd"))
    assert [len(value) for _name, value in args["b.mp4"]] == [128] * 8
    assert args["c.mp4"] == ()


def test_a_recording_to_vod_is_a_file_without_a_uri(recording: Edge) -> None:
    recording.record_callback(
        VideoId="v-1", EventType="AddLiveRecordVideoComplete", Status="success"
    )

    assert [one.uri for one in recording.app.store.files(KEY, 10)] == ["vod:v-1"]


def test_a_file_that_does_not_say_when_it_ends_lasts_as_long_as_it_says(edge: Edge) -> None:
    edge.record_callback(uri="a.mp4", duration=2.5, start_time=NOON // 1000)

    assert [one.stop for one in edge.app.store.files(KEY, 10)] == [NOON + 2500]


def test_a_file_without_any_time_proves_no_recording_of_now(recording: Edge) -> None:
    recording.record_callback(uri="a.mp4")

    started = recording.record().confirmation
    assert started is not None
    assert not started.is_confirmed


@pytest.mark.parametrize("fields", [{"event": "record_sung"}, {"event": "record_error_2"}])
def test_an_event_that_nobody_knows_is_accepted_and_changes_nothing(
    edge: Edge, fields: dict[str, object]
) -> None:
    before = edge.dump()
    assert edge.record_callback(**fields).json == {"ignored": "this event is not known"}

    assert edge.dump() == before
    assert any("callback.ignored" in line for line in edge.lines)


def test_a_domain_that_the_policy_does_not_name_is_ignored(edge: Edge) -> None:
    before = edge.dump()
    got = edge.record_callback(event="record_started", domain="other.example.com")

    assert (got.status, edge.dump()) == (200, before)


def test_what_cannot_be_read_is_refused_as_unreadable(edge: Edge) -> None:
    assert edge.record_callback(event=7).status == 400


@pytest.mark.parametrize("domain", [HOST, f"{HOST}:8443"])
@pytest.mark.parametrize("key", [RECORD_KEY, "new-record-key-0000"])
def test_it_is_signed_over_our_own_host_with_or_without_its_port_by_any_key(
    edge: Edge, domain: str, key: str
) -> None:
    assert _signed(edge, domain, key) == 200


@pytest.mark.parametrize("host", ["record.example.com", "record-b.example.com"])
def test_a_stage_that_may_take_over_has_two_hosts(tmp_path: Path, clock: Clock, host: str) -> None:
    hosts = "record.example.com, record-b.example.com"
    edge = Edge(tmp_path, clock, LIVE_RECORD_CALLBACK_HOST=hosts)
    assert _signed(edge, host, RECORD_KEY) == 200
    assert _signed(edge, HOST, RECORD_KEY) == 401


@pytest.mark.parametrize(
    ("domain", "key"),
    [(INGEST, RECORD_KEY), ("live.example.com", RECORD_KEY), (HOST, "dev-stream-key-0000")],
    ids=["the ingest domain", "the streaming domain", "the key of the other kind"],
)
def test_signed_over_the_wrong_kind_of_domain_it_changes_nothing(
    edge: Edge, domain: str, key: str
) -> None:
    before = edge.dump()
    assert _signed(edge, domain, key) == 401
    assert edge.dump() == before


def _signed(edge: Edge, domain: str, key: str) -> int:
    body = {"domain": KEY.domain, "app": KEY.app, "stream": KEY.stream, "event": "record_started"}
    got = edge.call(
        record_events,
        "POST",
        f"/callbacks/record/{TOKEN}",
        headers=edge.signed(domain, key),
        body=json.dumps(body),
    )
    return got.status


def test_status_callbacks_are_known_to_work_once_one_was_received(recording: Edge) -> None:
    assert not recording.app.stream_settings(KEY).status_known
    recording.record_callback(event="record_paused")

    assert recording.app.stream_settings(KEY).status_known


def test_a_file_does_not_show_that_status_callbacks_work(recording: Edge) -> None:
    recording.record_callback(**FILE)
    recording.clock.pass_ms(61_000)

    assert not recording.app.stream_settings(KEY).status_known


def test_another_process_learns_of_them_within_a_minute(
    tmp_path: Path, clock: Clock, edge: Edge
) -> None:
    another = Edge(tmp_path, clock)
    assert not another.app.stream_settings(KEY).status_known
    edge.record_callback(event="record_started")
    clock.pass_ms(60_000)

    assert another.app.stream_settings(KEY).status_known


def test_an_exception_is_told_in_the_history_and_changes_nothing_else(recording: Edge) -> None:
    before = recording.record()
    place = {"app": INGEST, "appname": KEY.app, "id": KEY.stream}
    headers = recording.signed(INGEST, "dev-stream-key-0000")
    got = recording.remarks("exception", headers, **place, code=2001, push_url="rtmp://secret")

    assert (got.status, recording.history()[-1]) == (200, "exception")
    assert recording.record() == before
    assert not any("secret" in line for line in recording.lines)


def test_a_switch_of_publishers_is_told_by_other_fields_as_well(recording: Edge) -> None:
    place = {"domain": KEY.domain, "app_name": KEY.app, "StreamName": KEY.stream}
    headers = recording.signed(INGEST, "dev-stream-key-0000")
    recording.remarks("switch", headers, **place, event="main_to_backup")

    newest = recording.app.store.history(KEY, 1)[0].entry
    assert (newest.code, newest.about["what"]) == (Reason.SWITCHED, "main_to_backup")


def test_a_remark_without_a_signature_is_logged_and_kept_nowhere(edge: Edge) -> None:
    before = edge.dump()
    place = {"app": INGEST, "appname": KEY.app, "id": KEY.stream}

    assert edge.remarks("exception", {}, **place, code=1001).status == 200
    assert edge.dump() == before
    assert any("callback.remarked" in line for line in edge.lines)


FUTURE_S = 10**10
"""s, in the year 2286, and so later than the signature of any callback."""


@pytest.mark.parametrize("event", ["record_started", "record_paused"])
def test_no_report_is_later_than_its_signature(recording: Edge, event: str) -> None:
    """A far-future time made every later report look late."""
    recording.record_callback(event=event, time=FUTURE_S)
    recording.clock.pass_ms(1_000)
    recording.record_callback(event="record_paused")

    report = recording.record().last_report
    assert report is not None
    assert (report.what, report.time) == ("record_paused", None)


def test_no_file_is_of_a_time_after_its_signature(recording: Edge) -> None:
    recording.record_callback(uri="a.mp4", start_time=FUTURE_S, stop_time=253_402_300_799)
    (file,) = recording.app.store.files(KEY, 10)

    assert all(time is None or time <= recording.clock.now for time in (file.start, file.stop))


SECRETS = (
    *("rtmp://push.example.com/app/room?auth_key=1735-0-0-5ec3e7", "Bearer 5ec3e7", "5ec3e7"),
    *("AKID5ec3e7", "LTAI5ec3e7", "-----BEGIN KEY-----5ec3e7", "https://u:5ec3e7@x.example.com"),
    *({"inner": "5ec3e7"}, ["5ec3e7"], "a b 5ec3e7", "token=5ec3e7", "\u0435ec3e7 5ec3e7"),
)
FIELDS = ("url", "push_url", "info", "stream_key", "code", "event", "id", "usrargs", "5ec3e7")


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_that_an_exception_holds_is_logged_but_what_is_known(
    edge: Edge, field: str
) -> None:
    """Its fields are UNCONFIRMED, so that nobody can list those which hold a secret."""
    for secret in SECRETS:
        edge.remarks("exception", {}, **{field: secret})

    assert len([line for line in edge.lines if "callback.remarked" in line]) == len(SECRETS)
    assert not any("5ec3e7" in line for line in edge.lines)


def test_a_remark_about_nothing_in_particular_is_accepted(edge: Edge) -> None:
    headers = edge.signed(INGEST, "dev-stream-key-0000")

    assert edge.remarks("switch", headers, anything=[1, 2]).status == 200


def test_a_remark_that_is_wrongly_signed_is_refused(edge: Edge) -> None:
    headers = edge.signed("other.example.com", "dev-stream-key-0000")

    assert edge.remarks("switch", headers, code=1).status == 401


def test_times_may_be_the_digits_of_a_text(edge: Edge) -> None:
    edge.clock.pass_ms(60_500)
    edge.record_callback(
        uri="a.mp4", start_time="1763800000", stop_time="1763800060.5", duration="59.403"
    )

    assert edge.app.store.files(KEY, 9) == [File("a.mp4", NOON, NOON + 60_500, 59_403)]


@pytest.mark.parametrize(
    "unknown", [{}, {"start_time": 0}, {"start_time": "soon", "stop_time": ""}]
)
def test_a_time_that_live_does_not_tell_is_unknown(edge: Edge, unknown: dict[str, object]) -> None:
    edge.record_callback(uri="a.mp4", duration=69.403, **unknown)

    assert edge.app.store.files(KEY, 9) == [File("a.mp4", None, None, 69_403)]


def test_a_file_that_is_reported_again_with_its_times_has_them(edge: Edge) -> None:
    edge.record_callback(uri="a.mp4")
    edge.record_callback(uri="a.mp4", start_time=NOON // 1000, stop_time=NOON // 1000 + 60)
    edge.record_callback(uri="a.mp4", duration=59.5)

    assert edge.app.store.files(KEY, 9) == [File("a.mp4", NOON, NOON + 60_000, 59_500)]


def test_a_file_of_no_known_time_confirms_nothing(recording: Edge) -> None:
    recording.record_callback(uri="a.mp4", duration=69.403)

    confirmation = recording.record().confirmation
    assert confirmation is not None
    assert not confirmation.confirmed


def test_a_file_happens_as_any_other_happening(edge: Edge) -> None:
    edge.happens(FileLeft("a.mp4", NOON, NOON))

    assert edge.history() == ["file"]

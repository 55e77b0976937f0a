"""Recording tasks: what commands and interruptions do, each unconfirmed point both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.live import LiveInThread, Remote
from tests.emulator.test_emulator_live_sdks import OK, Outcome, PresentSdk

pytestmark = pytest.mark.slow

STREAM_NOT_FOUND = Outcome("StreamNotFound", 409)
ALREADY = Outcome("TaskAlreadyStarted", 409)
OTHER = Outcome("OtherError", 400)


class Room:
    """One stream, its control plane and someone who records it."""

    def __init__(self, address: str) -> None:
        self.control = Remote(address)
        self.control.notify(stream_url="", record_url="")
        self.sdk = PresentSdk(address)

    def publish(self) -> None:
        self.control.publish("room")

    def unpublish(self) -> None:
        self.control.unpublish("room")

    def interrupt(self) -> None:
        self.unpublish()
        self.publish()

    def record(self, *commands: str) -> list[Outcome]:
        return [self.sdk.record(command) for command in commands]

    @property
    def state(self) -> str:
        recording: dict[str, Any] | None = self.control.state("room")["recording"]
        return recording["state"] if recording else "idle"

    @property
    def files(self) -> list[dict[str, Any]]:
        return list(self.control.state("room")["files"])


@pytest.fixture
def room() -> Iterator[Room]:
    with LiveInThread() as live:
        yield Room(live.address)


def test_publishing_alone_records_nothing(room: Room) -> None:
    room.publish()
    assert room.state == "idle"


def test_a_stop_leaves_its_file_after_the_merge_delay(room: Room) -> None:
    room.publish()
    room.record("start", "stop")
    room.control.advance(179)
    assert (room.state, room.files) == ("paused", [])
    room.control.advance(2)
    assert (room.state, len(room.files)) == ("idle", 1)


def test_cancel_delay_leaves_the_file_at_once(room: Room) -> None:
    room.publish()
    room.record("start", "stop", "cancel_delay")
    assert (room.state, len(room.files)) == ("idle", 1)


def test_a_restart_after_a_stop_leaves_the_file_and_records_anew(room: Room) -> None:
    room.publish()
    room.record("start", "stop", "restart")
    assert (room.state, len(room.files)) == ("recording", 1)


def test_a_file_tells_how_long_was_recorded(room: Room) -> None:
    room.publish()
    room.record("start")
    room.control.advance(60)
    room.record("stop", "cancel_delay")
    (file,) = room.files
    assert 60 <= file["duration"] < 65
    assert 60 <= file["stop_time"] - file["start_time"] <= 65
    assert file["uri"].startswith("record/app/room/")


def test_a_long_recording_leaves_a_file_every_cycle(room: Room) -> None:
    room.publish()
    room.record("start")
    room.control.advance(3 * 3600 + 60)
    assert (room.state, len(room.files)) == ("recording", 3)


def test_an_interruption_stops_a_manual_recording_and_leaves_a_file(room: Room) -> None:
    room.publish()
    room.record("start")
    room.unpublish()
    room.control.advance(181)
    assert (room.state, len(room.files)) == ("idle", 1)


def test_a_manual_recording_does_not_resume_by_itself(room: Room) -> None:
    room.publish()
    room.record("start")
    room.interrupt()
    assert room.state == "paused"


def test_a_manual_recording_resumes_within_the_delay_when_so_switched(room: Room) -> None:
    room.control.switch(manual_resumes_within_delay=True)
    room.publish()
    room.record("start")
    room.interrupt()
    room.control.advance(200)
    assert (room.state, room.files) == ("recording", [])


def test_a_manual_recording_never_resumes_beyond_the_delay(room: Room) -> None:
    room.control.switch(manual_resumes_within_delay=True)
    room.publish()
    room.record("start")
    room.unpublish()
    room.control.advance(181)
    room.publish()
    assert (room.state, len(room.files)) == ("idle", 1)


@pytest.mark.parametrize("pause", ["stop", "interruption"])
@pytest.mark.parametrize(
    ("value", "outcome", "then"),
    [
        ("resumes", OK, ("recording", 0)),
        ("new_file", OK, ("recording", 1)),
        ("already_started", ALREADY, ("paused", 0)),
    ],
)
def test_a_start_within_the_merge_delay_does_as_switched(
    room: Room, pause: str, value: str, outcome: Outcome, then: tuple[str, int]
) -> None:
    room.control.switch(**{f"start_after_{pause}_within_delay": value})
    room.publish()
    room.record("start")
    room.record("stop") if pause == "stop" else room.interrupt()
    assert room.record("start") == [outcome]
    assert (room.state, len(room.files)) == then


def test_a_resumed_recording_ends_in_one_file(room: Room) -> None:
    room.publish()
    room.record("start", "stop", "start", "stop", "cancel_delay")
    room.control.advance(400)
    assert len(room.files) == 1


@pytest.mark.parametrize(
    ("value", "outcome"), [("ok", OK), ("StreamNotFound", STREAM_NOT_FOUND), ("OtherError", OTHER)]
)
def test_an_idle_stop_answers_as_switched(room: Room, value: str, outcome: Outcome) -> None:
    room.control.switch(stop_when_idle=value)
    room.publish()
    assert room.record("stop") == [outcome]
    assert room.record("start", "stop", "stop") == [OK, OK, outcome]


@pytest.mark.parametrize(
    ("value", "outcome"), [("ok", OK), ("StreamNotFound", STREAM_NOT_FOUND), ("OtherError", OTHER)]
)
def test_cancel_delay_without_a_stop_answers_as_switched(
    room: Room, value: str, outcome: Outcome
) -> None:
    room.control.switch(cancel_delay_without_stop=value)
    room.publish()
    assert room.record("cancel_delay", "start", "cancel_delay") == [outcome, OK, outcome]
    assert room.state == "recording"


@pytest.mark.parametrize(("value", "outcome"), [("error", OTHER), ("ok", OK)])
def test_a_restart_before_any_start_answers_as_switched(
    room: Room, value: str, outcome: Outcome
) -> None:
    room.control.switch(restart_before_start=value)
    room.publish()
    assert room.record("restart") == [outcome]


@pytest.mark.parametrize(("value", "outcome"), [("StreamNotFound", STREAM_NOT_FOUND), ("ok", OK)])
def test_a_stop_of_an_offline_stream_answers_as_switched(
    room: Room, value: str, outcome: Outcome
) -> None:
    room.control.switch(stop_when_offline=value)
    assert room.record("stop") == [outcome]


@pytest.mark.parametrize(
    ("value", "outcome", "files"), [("StreamNotFound", STREAM_NOT_FOUND, 0), ("ok", OK, 1)]
)
def test_cancel_delay_of_an_offline_stream_answers_as_switched(
    room: Room, value: str, outcome: Outcome, files: int
) -> None:
    room.control.switch(cancel_delay_when_offline=value)
    room.publish()
    room.record("start")
    room.unpublish()
    assert (room.record("cancel_delay"), len(room.files)) == ([outcome], files)


def test_a_stream_may_become_visible_to_the_recorder_late(room: Room) -> None:
    room.control.switch(stream_visible_after_publish_ms=5_000)
    room.publish()
    assert room.record("start") == [STREAM_NOT_FOUND]
    room.control.advance(5)
    assert room.record("start") == [OK]


@pytest.mark.parametrize(
    ("code", "status"),
    [("InvalidDomain.NotFound", 404), ("CodeConfigNotFound", 400), ("StreamNotFound", 409)],
)
def test_a_wrong_domain_answers_as_switched(room: Room, code: str, status: int) -> None:
    room.control.switch(wrong_domain_code=code)
    assert room.sdk.record("start", domain_name="push.example.com") == (code, status)


def test_the_online_list_lags_as_switched(room: Room) -> None:
    room.control.switch(online_list_lag_ms=10_000)
    room.publish()
    assert room.sdk.online()["TotalNum"] == 0
    room.control.advance(10)
    assert room.sdk.online(stream_type="raw")["TotalNum"] == 1
    room.unpublish()
    assert room.sdk.online(stream_type="raw")["TotalNum"] == 1


def test_publish_time_differs_from_the_callback_time_as_switched(room: Room) -> None:
    room.control.switch(publish_time_offset_ms=-2_000)
    room.control.publish("room", time=1763800000)
    (row,) = room.sdk.online(stream_type="raw")["OnlineInfo"]["LiveStreamOnlineInfo"]
    assert row["PublishTime"] == "2025-11-22T08:26:38Z"


def test_an_automatic_recording_begins_resumes_and_is_stopped(room: Room) -> None:
    room.control.post("recording", {"domain": "live.example.com", "app": "app", "on_demand": 0})
    room.publish()
    assert room.record("start") == [ALREADY]
    room.interrupt()
    assert (room.state, room.files) == ("recording", [])
    assert room.record("stop") == [OK]
    assert room.state == "paused"


def test_a_changed_configuration_holds_from_the_next_publish_on(room: Room) -> None:
    room.control.publish("room", app="other")
    room.control.post("recording", {"domain": "live.example.com", "app": "other", "on_demand": 7})
    assert room.sdk.record("start", app_name="other") == ("CodeConfigNotFound", 400)
    room.control.unpublish("room", app="other")
    room.control.publish("room", app="other")
    assert room.sdk.record("start", app_name="other") == OK


def test_the_nearest_configuration_wins(room: Room) -> None:
    place = {"domain": "live.example.com", "app": "app", "stream": "room"}
    room.control.post("recording", {**place, "on_demand": 7, "formats": ["flv", "m3u8"]})
    room.publish()
    room.record("start", "stop", "cancel_delay")
    assert [file["uri"].rpartition(".")[2] for file in room.files] == ["flv", "m3u8"]


def test_a_push_url_may_ask_for_the_recording(room: Room) -> None:
    room.control.post("recording", {"domain": "live.example.com", "app": "app", "on_demand": 2})
    room.control.publish("room", arguments={"record_config": '{"NeedRecord":true}'})
    assert room.state == "recording"


def test_a_broken_recording_leaves_no_file(room: Room) -> None:
    room.publish()
    room.record("start")
    assert room.control.record_error("room")["broke"]
    room.control.advance(200)
    assert (room.state, room.files) == ("idle", [])


def test_a_start_twice_for_one_publish_is_told_as_a_duplicate(room: Room) -> None:
    room.publish()
    room.record("start", "start")
    (duplicate,) = room.control.calls()["duplicates"]
    assert (duplicate["first"], duplicate["n"], duplicate["command"]) == (1, 2, "start")


def test_a_stop_twice_without_a_start_between_is_told_as_a_duplicate(room: Room) -> None:
    room.publish()
    room.record("start", "stop", "start", "stop", "stop")
    (duplicate,) = room.control.calls()["duplicates"]
    assert (duplicate["first"], duplicate["n"], duplicate["command"]) == (4, 5, "stop")


def test_a_start_for_each_publish_is_no_duplicate(room: Room) -> None:
    room.publish()
    room.record("start")
    room.interrupt()
    room.record("start", "stop", "start")
    assert room.control.calls()["duplicates"] == []


def test_the_peak_of_recordings_is_counted(room: Room) -> None:
    for stream in ("a", "b"):
        room.control.publish(stream)
        room.sdk.record("start", stream)
    room.sdk.record("stop", "a")
    counters = room.control.calls()["counters"]
    assert (counters["recording"], counters["recording_peak"]) == (1, 2)

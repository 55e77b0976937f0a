"""`live-record try`, against the emulator of Live: what it sends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.account import Account, account_at
from cli.main import main
from cli.paths import ROOT
from cli.setup.configurations import ConfigTarget, read
from cli.trial.lines import Lines
from emulator.live import LiveInThread, Remote
from shared.inbound.catalogue import Language
from tests.support.raw_server import Wire, json_reply
from tests.support.receiver import poll
from tests.support.time_zone import in_zone

DOMAIN = ("--domain", "live.example.com")
BUCKET = ("--bucket", "dev-bucket", "--endpoint", "oss-cn-shanghai.aliyuncs.com")
ROOM = ("--stream", "app/room1")
POLICY = json.loads((ROOT / "deploy" / "ram" / "trial.json").read_text())
ALLOWED = {
    action.removeprefix("live:") for each in POLICY["Statement"] for action in each["Action"]
}
ENDING = [("stop", "room1"), ("cancel_delay", "room1")]


class User:
    """Types `live-record try`, and at last Ctrl-C."""

    def __init__(self, live: LiveInThread) -> None:
        self.live, self.remote = live, Remote(live.address)
        self.account: Account = account_at(live.address)

    def types(self, *words: str, answer: str = "") -> Result:
        command = ["try", "--live", self.live.address, *DOMAIN, *words]
        result = CliRunner().invoke(main, command, input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def tries(self, *words: str, meanwhile: Callable[[], None]) -> str:
        """Let it run while something happens; then press Ctrl-C."""

        def happens() -> None:
            try:
                meanwhile()
            finally:
                os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=happens)
        thread.start()
        result = self.types("--yes", "--every", "0.2", *words)
        thread.join()
        assert result.exit_code == 0, result.output
        return result.output

    def sent(self) -> list[tuple[str, str]]:
        """Return the commands on the wire, with their streams."""
        calls = self.remote.calls()["calls"]
        return [
            (c["command"], c["stream"]) for c in calls if c["action"] == "RealTimeRecordCommand"
        ]

    def is_recorded(self, stream: str = "room1") -> bool:
        recording: dict[str, Any] | None = self.remote.state(stream).get("recording")
        return bool(recording and recording["state"] == "recording")

    def polls(self) -> list[dict[str, Any]]:
        return self._calls("DescribeLiveStreamsOnlineList")

    def _calls(self, action: str) -> list[dict[str, Any]]:
        return [call for call in self.remote.calls()["calls"] if call["action"] == action]

    def is_refused(self, *words: str, code: int = 1) -> str:
        result = self.types("--yes", *words)
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    def publishes(self, stream: str = "room1", **more: int) -> None:
        self.remote.publish(stream, **more)
        poll(lambda: self.is_recorded(stream))


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID", raising=False)
    with LiveInThread() as live:
        yield User(live)


def an_hour_ago() -> int:
    return int(time.time()) - 3600


# --- it records, as the deployed stage does


@pytest.mark.slow
def test_a_stream_that_is_cut_and_pushed_again_is_recorded_again(user: User) -> None:
    def cut() -> None:
        user.publishes(time=an_hour_ago())
        user.remote.unpublish("room1")
        user.publishes()

    user.tries(*ROOM, meanwhile=cut)
    assert user.sent() == [("start", "room1"), ("start", "room1"), *ENDING]


@pytest.mark.slow
def test_only_what_the_patterns_name_is_recorded(user: User) -> None:
    def two() -> None:
        user.remote.publish("other")
        user.publishes("show-1")

    user.tries("--stream", "app/show-*", meanwhile=two)
    assert {stream for _command, stream in user.sent()} == {"show-1"}


@pytest.mark.slow
def test_a_whole_application_is_recorded_up_to_the_limit(user: User) -> None:
    def crowd() -> None:
        user.publishes("room1")
        user.remote.publish("room2")
        polls = len(user.polls())
        poll(lambda: len(user.polls()) > polls + 2)

    user.tries("--stream", "app", "--max-concurrent", "1", meanwhile=crowd)
    assert [stream for command, stream in user.sent() if command == "start"] == ["room1"]


@pytest.mark.slow
def test_a_stream_that_was_live_before_is_recorded_too(user: User) -> None:
    user.remote.publish("room1")
    user.tries(*ROOM, meanwhile=lambda: poll(user.is_recorded))
    assert user.sent()[0] == ("start", "room1")


# --- what it leaves behind


@pytest.mark.slow
def test_ctrl_c_stops_the_recording_and_has_the_file_written_at_once(user: User) -> None:
    said = user.tries(*ROOM, meanwhile=user.publishes)
    assert "Stopped: live.example.com/app/room1" in said
    assert len(user.remote.state("room1")["files"]) == 1


@pytest.mark.slow
def test_with_keep_recording_ctrl_c_says_that_it_goes_on_and_how_to_stop_it(user: User) -> None:
    said = user.tries(*ROOM, "--keep-recording", meanwhile=user.publishes)
    assert user.is_recorded()
    (command,) = re.findall(r"live-record try (--stop .*)", said)
    live = user.live.address
    assert command == f"--stop --domain live.example.com --stream app/room1 --live {live}"
    assert "Stopped" in user.types("--stop", *ROOM).output
    assert not user.is_recorded()


@pytest.mark.slow
def test_a_recording_that_somebody_else_began_goes_on(user: User) -> None:
    user.remote.publish("room1")
    user.account.ask(
        "RealTimeRecordCommand",
        DomainName="live.example.com",
        AppName="app",
        StreamName="room1",
        Command="start",
    )
    said = user.tries(*ROOM, meanwhile=lambda: poll(lambda: len(user.sent()) > 1))
    assert "was being recorded already" in said
    assert user.is_recorded()


@pytest.mark.slow
def test_the_configuration_that_it_adds_is_gone_at_the_end(user: User) -> None:
    new = ConfigTarget("oss", "live.example.com", "new", "room1")
    meanwhile: list[object] = []

    def look() -> None:
        poll(lambda: bool(user.polls()))
        meanwhile.append((read(user.account, new) or {}).get("OnDemand"))

    user.tries("--stream", "new/room1", *BUCKET, meanwhile=look)
    assert meanwhile == [7]
    assert {call["action"] for call in user.remote.calls()["calls"]} <= ALLOWED
    assert read(user.account, new) is None


# --- what it refuses, each with one sentence and the next step


def test_a_wrong_key_is_refused(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "dev")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    assert "Check ALIBABA_CLOUD_ACCESS_KEY_ID" in user.is_refused(*ROOM)


def test_a_domain_that_live_does_not_know_is_refused(user: User) -> None:
    said = user.is_refused(*ROOM, "--domain", "push.other.com")
    assert "a main streaming domain push.other.com" in said


def test_an_address_of_live_without_its_scheme_is_refused(user: User) -> None:
    said = user.is_refused(*ROOM, "--live", "127.0.0.1:9001")
    assert "Write it as http://127.0.0.1:9001" in said


def test_an_address_at_which_nothing_answers_is_named(user: User) -> None:
    said = user.is_refused(*ROOM, "--live", "http://127.0.0.1:9")
    assert "Nothing answers at http://127.0.0.1:9" in said
    assert "live-record dev" in said
    assert "ConnectionError" not in said


def test_an_address_at_which_something_else_than_live_answers_is_named(user: User) -> None:
    with Wire() as wire:
        wire.script(json_reply({}, 404))
        other = f"http://{wire.endpoint}"
        said = user.is_refused(*ROOM, "--live", other)
    assert f"{other} does not answer as ApsaraVideo Live does" in said
    assert "InDoubt" not in said


def test_without_a_recording_configuration_it_says_how_to_add_one(user: User) -> None:
    assert "Pass `--bucket BUCKET --endpoint" in user.is_refused("--stream", "new/room1")


def test_what_live_records_by_itself_is_refused(user: User) -> None:
    user.remote.post("recording", {"domain": "live.example.com", "app": "app", "on_demand": 0})
    assert "is not manual" in user.is_refused(*ROOM)
    assert "is not manual" in user.is_refused("--stream", "app", *BUCKET)


@pytest.mark.parametrize("automatic", [("app", "*"), ("*", "room1")])
def test_what_live_may_record_by_itself_is_refused(user: User, automatic: tuple[str, str]) -> None:
    """It is UNCONFIRMED which of two configurations for an application and for a stream's name Live
    uses."""
    for app, stream in (("app", "*"), ("*", "room1")):
        on_demand = 0 if (app, stream) == automatic else 7
        place = {"domain": "live.example.com", "app": app, "stream": stream}
        user.remote.post("recording", {**place, "on_demand": on_demand})

    assert f"of {'/'.join(automatic)} is not manual" in user.is_refused(*ROOM)


def test_it_says_what_it_costs_and_begins_only_after_a_yes(user: User) -> None:
    result = user.types(*ROOM, answer="n\n")
    assert "charges your account" in result.output
    assert (result.exit_code, user.sent()) == (1, [])


def test_a_pattern_without_an_application_is_refused(user: User) -> None:
    assert "Name the streams as `app/name`" in user.is_refused("--stream", "/", code=2)


def test_the_time_of_a_line_is_local_with_its_offset() -> None:
    said: list[str] = []
    event = {"time": "2026-12-01T12:00:30.250Z", "level": "warning", "event": "x.failed"}

    with in_zone("Asia/Shanghai"):
        Lines(said.append, Language.ENGLISH)(json.dumps({**event, "error": "no answer"}))

    assert said == ["2026-12-01 20:00:30+08:00  x.failed: no answer"]

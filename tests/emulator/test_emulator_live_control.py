"""The control plane's manners, the development clock, and the program around it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emulator.live import LiveInThread, Remote, Unfit, load_account
from emulator.live.account import DEVELOPMENT
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk

PROGRAM = [sys.executable, "-m", "emulator.live", "--json"]
PATIENCE_S = 120
UNSIGNED = (
    "/?Action=DescribeLiveStreamState&Version=2016-11-01&AccessKeyId=dev"
    "&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0"
)
PLACE = {"domain": "push.example.com", "app": "app", "stream": "room"}


@pytest.fixture
def live() -> Iterator[LiveInThread]:
    with LiveInThread() as running:
        yield running


@pytest.fixture
def control(live: LiveInThread) -> Remote:
    remote = Remote(live.address)
    remote.notify(stream_url="", record_url="")
    return remote


def refused(control: Remote, name: str, body: object) -> list[str]:
    with pytest.raises(Unfit) as error:
        control.post(name, body)
    return error.value.faults


def test_every_fault_of_a_body_is_named_at_once(control: Remote) -> None:
    body = {"domain": 7, "app": "", "time": "now", "wait": 1, "colour": "red"}
    faults = " | ".join(refused(control, "publish", body))
    for name in ("domain", "app", "stream", "time", "wait", "colour"):
        assert name in faults


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"[" * 100_000, b'{"advance_ms":1e999}']
)
@pytest.mark.parametrize(
    "name",
    [
        "publish",
        "unpublish",
        "record_error",
        "record_event",
        "exception",
        "switch",
        "fail",
        "callbacks",
        "objects",
        "clock",
        "switches",
        "notify",
        "recording",
    ],
)
def test_what_is_no_object_is_refused_in_json(control: Remote, name: str, body: bytes) -> None:
    with pytest.raises(Unfit):
        control.ask("POST", name, body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("publish", {**PLACE, "domain": "elsewhere.example.com"}),
        ("publish", {**PLACE, "time": True}),
        ("publish", {**PLACE, "time": -1}),
        ("publish", {**PLACE, "arguments": {"a": 1}}),
        ("unpublish", PLACE),
        ("switch", PLACE),
        ("record_event", {**PLACE, "event": "file", "fields": []}),
        ("fail", {}),
        ("fail", {"code": "InternalError", "transport": "reset"}),
        ("fail", {"code": "Unheard"}),
        ("fail", {"transport": "carrier pigeon"}),
        ("fail", {"transport": "reset", "times": 0}),
        ("fail", {"transport": "reset", "late_ms": 5, "acts": True}),
        ("callbacks", {"do": "lose"}),
        ("callbacks", {"do": "delay"}),
        ("callbacks", {"do": "drop", "delay_ms": 5}),
        ("callbacks", {"do": "drop", "event": "applause"}),
        ("clock", {}),
        ("clock", {"advance_ms": 1, "offset_ms": 1}),
        ("clock", {"advance_ms": 10**18}),
        ("clock", {"advance_ms": -1}),
        ("notify", {"need_status": "yes"}),
        ("recording", {"domain": "live.example.com", "on_demand": 3}),
        ("recording", {"domain": "live.example.com", "on_demand": 7, "delay_seconds": 1}),
    ],
)
def test_what_makes_no_sense_is_refused(control: Remote, name: str, body: object) -> None:
    assert refused(control, name, body)


def test_a_stream_is_published_once_at_a_time(control: Remote) -> None:
    control.publish("room")
    (fault,) = refused(control, "publish", PLACE)
    assert fault.startswith("live.example.com/app/room is being published already: ")


def test_unknown_switches_and_values_are_all_named(control: Remote) -> None:
    faults = refused(control, "switches", {"mood": 1, "limiter": "none", "throttle_status": True})
    assert ["mood" in faults[0], "limiter" in faults[1], "throttle_status" in faults[2]] == [
        True
    ] * 3
    assert control.get("switches")["limiter"]["value"] == "bucket"


def test_each_switch_tells_its_values_its_default_and_its_fact(control: Remote) -> None:
    for switch in control.get("switches").values():
        assert switch["value"] == switch["default"]
        assert switch["fact"].startswith("docs/platform/live.md §")
        assert switch["values"]


@pytest.mark.slow
def test_each_switch_takes_each_of_its_values(control: Remote) -> None:
    for name, switch in control.get("switches").items():
        for value in switch["values"] if isinstance(switch["values"], list) else [0, 5]:
            assert control.switch(**{name: value})[name]["value"] == value


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/_control/nothing", 404), ("PUT", "/_control/publish", 405), ("GET", "/other", 404)],
)
def test_unknown_paths_and_methods_are_refused_in_json(
    live: LiveInThread, method: str, path: str, status: int
) -> None:
    connection = HTTPConnection(urlsplit(live.address).netloc)
    connection.request(method, path)
    answer = connection.getresponse()
    assert (answer.status, bool(json.loads(answer.read())["faults"])) == (status, True)
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?Action=RealTimeRecordCommand",
        "/?Action=RealTimeRecordCommand&Version=2016-11-01",
        "/?Action=RealTimeRecordCommand&Version=2016-11-01&AccessKeyId=dev",
        f"{UNSIGNED}&Timestamp=x&SignatureNonce=1&Signature=%FF%C3%A4",
    ],
)
def test_an_unsigned_call_is_refused_in_the_documented_shape(live: LiveInThread, path: str) -> None:
    connection = HTTPConnection(urlsplit(live.address).netloc)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status in (400, 403, 404)
    assert sorted(json.loads(answer.read())) == [
        "Code",
        "HostId",
        "Message",
        "Recommend",
        "RequestId",
    ]
    connection.close()


def test_calls_are_told_from_where_one_left_off(live: LiveInThread, control: Remote) -> None:
    sdk = PresentSdk(live.address)
    sdk.record("start")
    since = control.calls()["next"]
    sdk.record("stop")
    assert [call["command"] for call in control.calls(since)["calls"]] == ["stop"]
    with pytest.raises(Unfit):
        control.get("calls", since="yesterday")


def test_a_reset_brings_everything_back_to_the_beginning(
    live: LiveInThread, control: Remote
) -> None:
    before = (Remote(live.address).get("switches"), load_account().notify.stream_url)
    control.publish("room")
    control.switch(limiter="sliding_second")
    control.fail(code="InternalError")
    PresentSdk(live.address).record("start")
    control.reset()
    assert (control.get("switches"), control.get("notify")["stream_url"]) == before
    assert (control.state("room"), control.calls()["next"]) == ({}, 0)
    assert control.get("fail") == {"faults": [], "detours": []}


def test_the_clock_is_moved_by_so_much_or_set_to_an_offset(control: Remote) -> None:
    control.advance(3600)
    assert control.get("clock")["offset_ms"] == 3_600_000
    control.post("clock", {"offset_ms": -5})
    assert control.get("clock")["offset_ms"] == -5


def test_signatures_are_judged_by_real_time(live: LiveInThread, control: Remote) -> None:
    control.advance(24 * 3600)
    control.publish("room")
    assert PresentSdk(live.address).record("start") == OK


def test_the_clock_is_shared_through_a_file(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    with LiveInThread(clock_file=file) as live:
        control = Remote(live.address)
        control.notify(stream_url="", record_url="")
        control.advance(60)
        assert json.loads(file.read_text()) == {"offset_ms": 60_000}
        file.write_text('{"offset_ms": 90000}')
        assert control.get("clock")["offset_ms"] == 90_000


def test_what_another_process_does_to_the_clock_makes_things_due(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    with LiveInThread(clock_file=file) as live:
        control = Remote(live.address)
        control.notify(stream_url="", record_url="")
        control.publish("room")
        sdk = PresentSdk(live.address)
        assert [sdk.record("start"), sdk.record("stop")] == [OK, OK]
        file.write_text('{"offset_ms": 181000}')
        poll(lambda: len(control.state("room")["files"]) == 1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"offset_ms": "x"}'])
def test_a_clock_file_half_written_changes_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock.json"
    with LiveInThread(clock_file=file) as live:
        control = Remote(live.address)
        control.advance(60)
        file.write_text(text)
        assert control.get("clock")["offset_ms"] == 60_000


def test_the_development_account_is_the_documented_one() -> None:
    account = load_account()
    assert (account.credentials[0].access_key, account.credentials[0].secret) == (
        "dev",
        "dev-secret",
    )
    assert account.domains[0].ingest == ("push.example.com",)
    assert (account.rules[0].app, account.rules[0].on_demand) == ("app", 7)


def test_a_copied_account_may_differ(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(DEVELOPMENT.read_text().replace("push.example.com", "push.example.org"))
    assert load_account(copy).domains[0].ingest == ("push.example.org",)


def test_every_fault_of_an_account_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'colour = "red"\n[[credential]]\naccess_key = 7\n[[recording]]\non_demand = 3\n'
    )
    with pytest.raises(Unfit) as error:
        load_account(file)
    faults = " | ".join(error.value.faults)
    for name in ("colour", "credential[0].access_key", "credential[0].secret", "on_demand"):
        assert name in faults


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_its_address_and_ends_cleanly(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        address = json.loads(program.stdout.readline())["address"]
        assert Remote(address).get("clock")["offset_ms"] == 0
        program.send_signal(ending)
        out, err = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, out, err) == (0, "", "")


@pytest.mark.slow
def test_a_port_in_use_is_told_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*PROGRAM, "--port", str(port)], capture_output=True, text=True, check=False
        )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert str(port) in ended.stderr


@pytest.mark.slow
def test_an_account_file_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*PROGRAM, "--port", "0", "--account", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)


def poll(is_there: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not is_there():
        assert time.monotonic() < limit
        time.sleep(0.01)

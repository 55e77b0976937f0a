"""Who pushes over RTMP: let in as Live lets in, and whatever else comes harms nobody else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cli.local.encoder import Encoder, clip
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Ingest
from emulator.media import amf, chunks
from emulator.media.chunks import ChunkWriter, Message
from emulator.media.ingest import HANDSHAKE_BYTES
from emulator.media.publisher import NotTaken, Publisher
from tests.support.pushed_recording import until
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

QUICK = Ingest(publish_delay_ms=150)
IMPATIENT = replace(QUICK, idle_ms=1_000)
"""A busy machine lets an encoder say nothing for some tenths of a second."""
SIGNED = Ingest(publish_delay_ms=0, auth_key="secret")


class Port:
    """The emulator as its publishers and its control plane's callers see it."""

    def __init__(self, live: LiveInThread) -> None:
        self.rtmp, self.address = live.rtmp, live.address
        self.control = Remote(live.address)
        self.control.notify(stream_url="", record_url="", exception_url="")

    @property
    def reasons(self) -> list[str]:
        document = requests.get(f"{self.address}/_control/publishers", timeout=60).json()
        return [connection["reason"] for connection in document["ended"]]

    def is_live(self, stream: str) -> bool:
        return bool(self.control.state(stream).get("live"))

    def ends_with(self, reason: str) -> None:
        until(lambda: any(reason in ended for ended in self.reasons), f"{reason!r}")

    def send(self, data: bytes) -> socket.socket:
        place = urlsplit(self.rtmp)
        connection = socket.create_connection((place.hostname or "", place.port or 0), 5)
        connection.sendall(data)
        return connection


@pytest.fixture(params=[QUICK], ids=["patient"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Port]:
    account = replace(load_account(), ingest=request.param)
    with LiveInThread(account, buckets=tmp_path / "buckets") as live:
        yield Port(live)


impatient = pytest.mark.parametrize("port", [IMPATIENT], ids=["impatient"], indirect=True)


def push_once(url: str) -> None:
    with Publisher(url) as publisher:
        publisher.send(clip()[0])


def test_who_stays_connected_is_announced_and_who_goes_is_reported_gone(port: Port) -> None:
    with receiving() as receiver:
        port.control.notify(stream_url=receiver.address)
        with Encoder(f"{port.rtmp}/app/room?vhost=push.example.com&callback_id=7"):
            until(lambda: len(receiver.arrived) == 1, "the publish callback")
        until(lambda: len(receiver.arrived) == 2, "the publish_done callback")
    publish, done = [callback.query for callback in receiver.arrived]
    assert (publish["action"], done["action"]) == ("publish", "publish_done")
    assert (publish["app"], publish["appname"], publish["id"]) == (
        "push.example.com",
        "app",
        "room",
    )
    assert publish["usrargs"] == "vhost=live.example.com&callback_id=7"


@pytest.fixture
def many_open_files() -> Iterator[None]:
    """Let whatever is opened from now on get a descriptor over 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096), hard))
    with contextlib.ExitStack() as held:
        while held.enter_context(Path(os.devnull).open()).fileno() < 1_024:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_is_pushed_by_a_program_with_many_open_files(port: Port, many_open_files: None) -> None:
    push_once(f"{port.rtmp}/app/room")
    port.ends_with("the publisher ended it")


@pytest.mark.parametrize("port", [Ingest(publish_delay_ms=60_000)], ids=["slow"], indirect=True)
def test_who_leaves_before_that_is_never_announced(port: Port) -> None:
    with receiving() as receiver, Encoder(f"{port.rtmp}/app/other"):
        port.control.notify(stream_url=receiver.address)
        push_once(f"{port.rtmp}/app/room")
        port.ends_with("the publisher ended it")
        port.control.advance(60)
        until(lambda: len(receiver.arrived) == 1, "the callback of the one that stayed")
        assert receiver.events("room") == []


def test_a_second_publisher_is_refused_and_the_first_goes_on(port: Port) -> None:
    with Encoder(f"{port.rtmp}/app/room"):
        with pytest.raises(NotTaken, match="being published already"):
            push_once(f"{port.rtmp}/app/room")
        assert port.is_live("room")


def test_or_it_takes_over(tmp_path: Path) -> None:
    account = replace(load_account(), ingest=replace(QUICK, second_publisher="takes_over"))
    with LiveInThread(account, buckets=tmp_path) as live:
        take_over(Port(live))


def test_or_it_is_a_backup_that_nothing_shows_until_the_first_one_leaves(tmp_path: Path) -> None:
    account = replace(load_account(), ingest=replace(QUICK, second_publisher="backup"))
    with LiveInThread(account, buckets=tmp_path) as live, receiving() as receiver:
        port = Port(live)
        port.control.notify(stream_url=receiver.address, switch_url=receiver.address)
        with Encoder(f"{port.rtmp}/app/room") as main, Encoder(f"{port.rtmp}/app/room") as backup:
            receiver.take(1)
            main.cut()
            receiver.take(2)
            assert (port.is_live("room"), backup.refusal) == (True, "")
        until(lambda: not port.is_live("room"), "the end of both")
        events = [callback.query.get("action") for callback in receiver.take(3)]
        assert len(port.control.state("room")["sessions"]) == 1
    assert events == ["publish", None, "publish_done"]


def take_over(port: Port) -> None:
    with Encoder(f"{port.rtmp}/app/room") as first, Encoder(f"{port.rtmp}/app/room") as second:
        port.ends_with("the service ended the stream")
        assert port.is_live("room")
        until(lambda: first.refusal != "", "the end of the first")
    assert second.refusal == ""


@impatient
def test_who_sends_nothing_is_disconnected_and_the_others_go_on(port: Port) -> None:
    with Encoder(f"{port.rtmp}/app/alive"), Publisher(f"{port.rtmp}/app/frozen"):
        port.ends_with("sends nothing for 1 s")
        assert (port.is_live("frozen"), port.is_live("alive")) == (False, True)


@impatient
def test_a_hundred_half_open_connections_are_closed_and_a_publisher_gets_in(port: Port) -> None:
    held = [port.send(b"\3" * n) for n in range(100)]
    with Encoder(f"{port.rtmp}/app/room"):
        until(lambda: len(port.reasons) >= 100, "their end")
        assert port.is_live("room")
    assert sum("publishes nothing" in reason for reason in port.reasons) == 100
    for connection in held:
        connection.close()


def connected(*commands: bytes) -> bytes:
    writer = ChunkWriter()
    hello = amf.write("connect", 1, {"app": "app", "tcUrl": "rtmp://127.0.0.1/app"})
    sent = [writer.write(Message(chunks.COMMAND, 0, hello), 3), *commands]
    return b"\3" + bytes(2 * HANDSHAKE_BYTES) + b"".join(sent)


def command(*values: amf.Value) -> bytes:
    return ChunkWriter().write(Message(chunks.COMMAND, 0, amf.write(*values), 1), 3)


MEDIA = ChunkWriter().write(Message(chunks.VIDEO, 0, b"\x17\1", 1), 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed: this is HTTP"),
        (b"\x16\x03\x01" + bytes(200), "malformed: RTMP version 22"),
        (connected(b"\x04\0\0\0\xff\xff\xff\x09\1\0\0\0" + bytes(99)), "malformed: a message of"),
        (connected(MEDIA), "media came before publish"),
        (connected(command("publish", 2, None, "x" * 3_000)), "malformed: an address of more"),
        (connected(command("play", 2, None, "room")), "nothing is played here"),
        (connected(b"\x03\0\0\0\0\0\2\x14\0\0\0\0\x11\x11"), "malformed: AMF type 0x11"),
    ],
    ids=["HTTP", "TLS", "length", "media", "name", "play", "AMF 3"],
)
def test_what_is_no_publisher_ends_with_a_reason_and_the_others_go_on(
    port: Port, data: bytes, reason: str
) -> None:
    with Encoder(f"{port.rtmp}/app/room"), port.send(data) as connection:
        port.ends_with(reason)
        connection.settimeout(5)
        while connection.recv(65_536):
            pass  # until it hangs up
        assert port.is_live("room")


@pytest.mark.parametrize("name", ["..", "../../x", "a/b", ".x", "a%2fb", "x\0y", "名"])
def test_a_name_that_is_none_is_refused_and_live_says_so(
    port: Port, name: str, tmp_path: Path
) -> None:
    with receiving() as receiver:
        port.control.notify(exception_url=receiver.address)
        with pytest.raises(NotTaken, match="letters, digits"):
            push_once(f"{port.rtmp}/app/{name}")
        until(lambda: len(receiver.arrived) == 1, "the exception callback")
    assert receiver.arrived[0].body["code"] == 1001
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("app/room?vhost=other.example.com", "'other.example.com' is not known"),
        ("app", "write the address as rtmp://"),
    ],
)
def test_an_unknown_domain_is_refused_naming_the_known_ones(
    port: Port, place: str, fault: str
) -> None:
    with pytest.raises(NotTaken, match=fault):
        push_once(f"{port.rtmp}/{place}")


@pytest.mark.parametrize(
    "url",
    [
        "rtmp://[bad/app/room",
        "http://127.0.0.1/app/room",
        f"rtmp://{'a' * 64}.example.com/app/room",
    ],
)
def test_what_is_no_address_is_not_pushed_to(url: str) -> None:
    with pytest.raises(NotTaken):
        push_once(url)


def test_a_stream_that_the_control_plane_ends_is_cut_off(port: Port) -> None:
    with Encoder(f"{port.rtmp}/app/room"):
        port.control.unpublish("room")
        port.ends_with("the service ended the stream")


def signed(*, ago: int = 0, path: str = "/app/room", key: str = "secret") -> str:
    prefix = f"{int(time.time()) - ago}-0-0"
    return f"{prefix}-{hashlib.md5(f'{path}-{prefix}-{key}'.encode()).hexdigest()}"  # noqa: S324 - theirs


@pytest.mark.parametrize(
    ("auth_key", "is_taken"),
    [
        (signed, True),
        (partial(signed, ago=1_700), True),
        (partial(signed, ago=1_900), False),
        (partial(signed, path="/app/other"), False),
        (partial(signed, key="guess"), False),
        (lambda: "", False),
        (lambda: "x-y-z", False),
        (lambda: signed().replace("-0-0-", "-0-1-"), False),
    ],
    ids=["right", "in time", "expired", "other", "guess", "none", "nonsense", "changed"],
)
def test_with_a_key_only_a_signed_address_is_taken(
    auth_key: Callable[[], str], *, is_taken: bool
) -> None:
    """Signed when the test runs, however long those before it took."""
    account = replace(load_account(), ingest=SIGNED)
    with LiveInThread(account, buckets=Path("/nowhere")) as live:
        Remote(live.address).notify(stream_url="")
        url = f"{live.rtmp}/app/room?auth_key={auth_key()}"
        if is_taken:
            push_once(url)
        else:
            with pytest.raises(NotTaken, match="auth_key is missing, wrong or expired"):
                push_once(url)


def test_no_key_is_ever_told(port: Port, capfd: pytest.CaptureFixture[str]) -> None:
    push_once(f"{port.rtmp}/app/room?auth_key=hush")
    port.ends_with("the publisher ended it")
    answer: Any = requests.get(f"{port.address}/_control/publishers", timeout=60).text
    assert "hush" not in answer + capfd.readouterr().err

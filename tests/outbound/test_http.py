"""Wake-up calls and the relay over TLS: they trust what the SDK's connection trusts."""

from __future__ import annotations

import select
import shutil
import socket as socket_module
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import create_server, socket
from threading import Event, Thread
from typing import NoReturn

import pytest

from cli.packaging.roots import by_name
from shared.outbound import http, tls
from shared.outbound.http import Outgoing, Unanswered
from shared.outbound.live import Credentials, LiveClient
from shared.outbound.relay import ForwardedCallback, Kind, Onward, Relay
from shared.outbound.tls import ROOTS
from shared.outbound.wake import Wake
from shared.protocol import Command, StreamKey
from tests.support.raw_server import Wire, json_reply
from tests.support.self_signed import self_signed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ACCEPTED = json_reply({"RequestId": "R-1"})
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _fresh_roots() -> Iterator[None]:
    tls.forget()
    yield
    tls.forget()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Wire]:
    """Serve under a certificate that nothing but its own file vouches for."""
    wire = Wire(tls=self_signed(tmp_path))
    wire.script(ACCEPTED)
    yield wire
    wire.close()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Certifi's folder in a package: an empty bundle, and the server's root in a file."""
    folder = tmp_path / "certifi"
    (folder / ROOTS).mkdir(parents=True)
    shutil.copy(tmp_path / "server.pem", folder / "cacert.pem")
    for name, certificate in by_name((tmp_path / "server.pem").read_bytes()).items():
        (folder / ROOTS / name).write_bytes(certificate)
    monkeypatch.setattr("certifi.where", lambda: str(folder / "cacert.pem"))
    return folder


def call(server: Wire) -> int:
    return http.call(Outgoing("POST", f"https://{server.endpoint}/"), patience=PATIENCE_S)[0]


def send(server: Wire) -> str:
    live = LiveClient(endpoint=server.endpoint, connect_timeout=60_000, read_timeout=60_000)
    key = StreamKey("live.example.com", "app", "room1")
    return live.send(Command.START, key, credentials=Credentials("an-id", "a-secret"))


def test_a_server_that_nobody_vouches_for_gets_nothing(server: Wire) -> None:
    with pytest.raises(Unanswered, match="SSLCertVerificationError"):
        call(server)
    assert server.seen == []


def test_a_server_under_a_root_of_the_package_is_called_once(server: Wire, package: Path) -> None:
    (package / "cacert.pem").unlink()
    assert call(server) == 200
    assert server.connections == 1


def test_a_root_of_a_package_without_the_bundle_is_found_under_any_name(
    server: Wire, package: Path
) -> None:
    (package / "cacert.pem").unlink()
    (root,) = (package / ROOTS).iterdir()
    root.rename(root.with_name("00000000.0"))
    assert call(server) == 200
    assert len(server.seen) == 1


def test_a_root_that_only_this_machine_has_is_trusted_too(
    server: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert call(server) == 200
    assert len(server.seen) == 1


def test_a_wake_up_call_reads_no_roots_after_a_command_has_read_them(
    server: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert send(server) == "R-1"
    connections = server.connections
    monkeypatch.delenv("SSL_CERT_FILE")
    Wake(f"https://{server.endpoint}/", "a-key", monotonic=lambda: 0)()
    assert len(server.seen) == 2
    assert server.connections == connections + 1


def test_a_command_reads_no_roots_after_a_wake_up_call_has_read_them(
    server: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert call(server) == 200
    connections = server.connections
    monkeypatch.delenv("SSL_CERT_FILE")
    assert send(server) == "R-1"
    assert server.connections == connections + 1


CALLS_ONLY = """
import sys
from shared.outbound import http
http.call(http.Outgoing("POST", sys.argv[1]), patience=5.0)
print(sorted({"requests", "urllib3", "darabonba", "alibabacloud_live20161101"} & set(sys.modules)))
"""


def test_a_call_loads_neither_the_sdk_nor_what_it_is_built_on(server: Wire, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CALLS_ONLY, f"https://{server.endpoint}/"],
        env={"SSL_CERT_FILE": str(tmp_path / "server.pem")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "[]\n"


FIRST_CALLS = """
import sys
from threading import Barrier, Thread
from shared.outbound import tls

def call():
    together.wait()
    contexts.append(tls.context())

sys.setswitchinterval(1e-6)
together, contexts = Barrier(8), []
threads = [Thread(target=call) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(contexts), len(set(map(id, contexts))))
"""


def test_the_first_calls_of_several_threads_read_the_roots_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_CALLS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "8 1\n"


LOADED = """
import sys
from types import SimpleNamespace
import index
index.initialize(SimpleNamespace(function=SimpleNamespace(handler=f"index.{sys.argv[1]}")))
print("darabonba" in sys.modules, f"functions.{sys.argv[1]}" in sys.modules)
print([name for name in ("msgspec.inspect", "subprocess") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("function", "loads"),
    [
        ("relay", False),
        ("on_demand", False),
        ("notify", False),
        ("console", False),
        ("stream_events", True),
        ("reconcile", True),
    ],
)
def test_a_function_loads_the_sdk_only_to_call_live_and_no_schemas(
    function: str, loads: bool, tmp_path: Path
) -> None:
    environment = {
        "FC_EMULATOR": "1",
        "LIVE_RECORD_STORE": f"sqlite:///{tmp_path}/records.db",
        "LIVE_RECORD_POLICY": str(ROOT / "policy.toml"),
        "LIVE_RECORD_API_TOKENS": "ops:read+control:ops-token",
        "LIVE_RECORD_LIVE_ENDPOINT": "http://127.0.0.1:1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, function],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == f"{loads} True\n[]\n"


ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\nContent-Length: 40\r\n\r\n" + b"b" * 40
)
DRIPS = {"status": 4, "headers": ANSWER.index(b"X-A"), "body": len(ANSWER) - 40}


@pytest.mark.parametrize("part", DRIPS)
def test_a_server_that_drips_ends_a_call_no_later(part: str) -> None:
    """Each byte comes well before a read would time out. All of them would make a sound answer."""
    with create_server(("127.0.0.1", 0)) as listener:
        dripper = Thread(target=drip, args=(listener, DRIPS[part]))
        dripper.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(Unanswered):
            http.call(Outgoing("GET", url), patience=0.4)
        dripper.join()


def drip(listener: socket, after: int) -> None:
    talk, _ = listener.accept()
    with talk, suppress(OSError):
        talk.recv(65536)
        talk.sendall(ANSWER[:after])
        for byte in ANSWER[after:]:
            if select.select([talk], [], [], 0.1)[0]:
                return
            talk.sendall(bytes([byte]))


def test_a_call_ends_in_time_when_the_handshake_does_not() -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(Unanswered):
            http.call(Outgoing("GET", url), patience=0.2)


@pytest.fixture
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no name be resolved until the test is over; a resolver may take a minute."""
    over = Event()

    def resolve(*_asked: object, **_named: object) -> NoReturn:
        over.wait()
        raise OSError

    monkeypatch.setattr(socket_module, "getaddrinfo", resolve)
    yield
    over.set()


@pytest.mark.usefixtures("hanging_resolver")
def test_a_callback_does_not_wait_for_the_name_of_its_receiver() -> None:
    callback = ForwardedCallback(Kind.STREAM, {}, {}, b"")
    with pytest.raises(Unanswered, match="no answer in time"):
        Relay("https://relay.example.com/", "a-key").hand(callback)
    with pytest.raises(Unanswered, match="no answer in time"):
        Onward(("old.example.com",)).deliver("https://old.example.com/", callback, patience=0.1)


@pytest.mark.usefixtures("hanging_resolver")
def test_nor_does_a_wake_up_call() -> None:
    lost: list[str] = []
    Wake("https://wake.example.com/", "a-key", monotonic=lambda: 0.0, report=lost.append)()

    assert lost == ["no answer in time"]

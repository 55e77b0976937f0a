"""Official Node clients, unchanged: ACS3 with a query, HMAC-SHA1 with a form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.live import LiveInThread, Remote
from tests.support.node_packages import install, run_node

NODE = Path(__file__).with_name("node")


@pytest.fixture(scope="session")
def installed() -> Path:
    """Return the folder to run in, with the locked packages; reinstall only if the lock changed."""
    install(NODE)
    return NODE


@pytest.fixture
def live() -> Iterator[LiveInThread]:
    with LiveInThread() as running:
        Remote(running.address).notify(stream_url="", record_url="")
        yield running


@pytest.fixture(params=["openapi-client", "pop-core"])
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def record(installed: Path, client: str, live: LiveInThread, *arguments: str) -> list[str]:
    assert installed == NODE
    ended = run_node(NODE, "node", "record.js", client, live.address, *arguments)
    assert ended.returncode == 0, ended.stderr
    codes: list[str] = json.loads(ended.stdout)
    return codes


@pytest.mark.slow
def test_a_node_client_starts_and_stops_a_recording(
    installed: Path, client: str, live: LiveInThread
) -> None:
    control = Remote(live.address)
    control.publish("room")
    codes = record(installed, client, live, "room", "start", "start", "stop", "cancel_delay")
    assert codes == ["OK", "TaskAlreadyStarted", "OK", "OK"]
    assert len(control.state("room")["files"]) == 1


@pytest.mark.slow
def test_a_node_client_is_told_that_a_stream_is_not_live(
    installed: Path, client: str, live: LiveInThread
) -> None:
    assert record(installed, client, live, "教室 1", "start") == ["StreamNotFound"]


@pytest.mark.slow
def test_the_clients_sign_in_both_ways(installed: Path, live: LiveInThread) -> None:
    for client in ("openapi-client", "pop-core"):
        record(installed, client, live, "room", "start")
    schemes = [call["scheme"] for call in Remote(live.address).calls()["calls"]]
    assert schemes == ["ACS3-HMAC-SHA256", "HMAC-SHA1"]


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (NODE / "package-lock.json").read_text()

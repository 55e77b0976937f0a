"""Official Node clients, unchanged: ACS3 with a query, HMAC-SHA1 with a form."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.live import LiveInThread, Remote
from tests.support.programs import path_with_node

NODE = Path(__file__).with_name("node")
PATIENCE_S = 600


@pytest.fixture(scope="session")
def installed() -> Path:
    """Return the folder to run in, with the locked packages; reinstall only if the lock changed."""
    with (NODE / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers install one after the other
        _install(hashlib.sha256(lock.read()).hexdigest())
    return NODE


def _install(wanted: str) -> None:
    mark = NODE / "node_modules" / ".locked"
    if mark.is_file() and mark.read_text() == wanted:
        return
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    run_node("npm", "ci", *options).check_returncode()
    mark.write_text(wanted)


def run_node(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = path_with_node()
    return subprocess.run(
        [shutil.which(program, path=path) or program, *arguments],
        cwd=NODE,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


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
    ended = run_node("node", "record.js", client, live.address, *arguments)
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

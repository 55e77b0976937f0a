"""`live-record dev`, untouched and started again: what the commands say of it is true at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.local.tether import Tether
from cli.main import main
from cli.stage_registry import resolve_target
from emulator.live import Remote
from tests.support.compute_emulator import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))


@contextmanager
def dev() -> Iterator[None]:
    """Run the command until the block ends; enter the block once it has said all."""
    command = [sys.executable, "-m", "cli.main", "dev", "--port", "0", "--live-port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    tether = Tether(child)
    try:
        assert child.stdout
        while "Ctrl-C" not in (line := child.stdout.readline()):
            assert line, "dev has ended"
        yield
    finally:
        tether.release()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=120)


def answers(*words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the JSON of a command about the stage."""
    result = CliRunner().invoke(main, [*words, "--stage", "dev", "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_where_an_emulator_has_ended_dev_ends_and_names_it() -> None:
    command = [sys.executable, "-m", "cli.main", "dev", "--port", "0", "--live-port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        tether = Tether(child)
        assert child.stdout
        while "Ctrl-C" not in (line := child.stdout.readline()):
            assert line, "dev has ended"
        listed = subprocess.run(
            ["ps", "--ppid", str(child.pid), "-o", "pid=,args="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        (live,) = [row.split()[0] for row in listed.splitlines() if "emulator.live" in row]
        os.kill(int(live), signal.SIGKILL)
        _, errors = child.communicate(timeout=120)
        tether.release()

    assert child.returncode == 1
    assert "The emulator of ApsaraVideo Live has ended. See " in errors


def test_doctor_is_content_with_an_untouched_dev() -> None:
    with dev():
        code, report = answers("doctor")

    wrong = [one for one in report["findings"] if one["severity"] not in ("ok", "nothing")]
    assert (code, wrong) == (0, [])


def test_streams_of_the_day_before_are_not_said_to_be_recorded() -> None:
    """The emulator of Live begins anew, and so nothing is live."""
    with dev():
        emulator = resolve_target("dev", None, None, changes=False).live
        automatic = {"domain": "live.example.com", "app": "auto", "stream": "*", "on_demand": 0}
        Remote(emulator).post("recording", automatic)
        # A report of a stream that nobody knows is not kept: it must not overtake the publish.
        Remote(emulator).detour("delay", event="record_started", stream="theirs", delay_ms=20_000)
        Remote(emulator, app="auto").publish("theirs", wait=True)
        Remote(emulator, app="classroom").publish("ours")
        eventually(lambda: "theirs" in phases())
        Remote(emulator).advance(20)
        eventually(lambda: phases() == {"theirs": "unmanaged", "ours": "recording"})

    with dev():
        assert phases() == {"theirs": "idle", "ours": "waiting"}
        assert {row["live"] for row in rows()} <= {"unknown", "no"}


def phases() -> dict[str, str]:
    return {row["stream"].rpartition("/")[2]: row["phase"] for row in rows()}


def rows() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = answers("list")[1]["recordings"]
    return listed

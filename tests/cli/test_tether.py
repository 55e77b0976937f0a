"""Whatever is started ends with whoever started it, also if that one is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local.tether import run_tethered

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import signal, sys, time
from pathlib import Path
from cli.local.redis_server import Engine
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it in the background
engine = Engine(Path(sys.argv[1]))
engine.start()
print(engine.pid, flush=True)
time.sleep(600)
"""
EXPLORER = ("-m", "tests.explorer", "--workers", "2", "start, stop, start", "stop, start")
GRANDCHILD = """
import subprocess
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""
ENOUGH_S = 120.0


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually_gone(*pids: int) -> bool:
    deadline = time.monotonic() + ENOUGH_S
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, pids))


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_store_server_ends_with_whoever_started_it(
    starter: subprocess.Popen[str], ending: str
) -> None:
    assert starter.stdout is not None
    server = int(starter.stdout.readline())
    starter.send_signal(signal.Signals[ending])

    assert eventually_gone(starter.pid, server)


@pytest.mark.slow
def test_no_worker_of_the_explorer_outlives_it() -> None:
    explorer = subprocess.Popen(
        [sys.executable, *EXPLORER],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + ENOUGH_S
    while len(workers := children(explorer.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    explorer.kill()
    explorer.wait()

    assert len(workers) >= 2
    assert eventually_gone(*workers)


@pytest.mark.slow
def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output, pytest.raises(subprocess.TimeoutExpired):
        run_tethered([sys.executable, "-c", GRANDCHILD], stdout=output, timeout_s=2)

    assert eventually_gone(int((tmp_path / "output").read_text()))


def test_what_ends_by_itself_is_run_as_by_subprocess() -> None:
    ended = run_tethered(["sh", "-c", "echo said; exit 3"], stdout=subprocess.PIPE)

    assert (ended.stdout, ended.returncode) == ("said\n", 3)

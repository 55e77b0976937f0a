"""Credentials of the environment expire: the process answers, says so and ends, and the next one
has fresh ones (docs/platform/function-compute.md §1.4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cli.local.stack import running
from emulator.live import Remote
from tests.support.journey import Stage

pytestmark = pytest.mark.slow
EXPIRED = "InvalidSecurityToken.Expired"


@contextmanager
def stage(folder: Path, runtime: str, *fc_options: str) -> Iterator[Stage]:
    settings = {"LIVE_RECORD_RUNTIME": runtime}
    with running(folder, settings=settings, fc_options=fc_options) as stack:
        yield Stage(stack, Remote(stack.live))


def pids(here: Stage, function: str = "record_command") -> set[int]:
    state = requests.get(f"{here.stack.fc}/_fc/state", timeout=60).json()
    return {instance["pid"] for instance in state["functions"][function]["instances"]}


def expired_lines(here: Stage) -> int:
    url = f"{here.stack.fc}/_fc/logs"
    lines = requests.get(url, params={"n": "1000"}, timeout=60).json()["lines"]
    return sum("credentials.expired" in line["line"] for line in lines)


def expire(here: Stage, stream: str, times: int = 1) -> int:
    """Send a command that Live refuses for an expired token; return the status of the answer."""
    here.live.fail(code=EXPIRED, status=400, times=times, stream=stream)
    return here.ask(stream, "start").status_code


def has_ended(here: Stage, pid: int, *, is_frozen: bool) -> bool:
    """Return True if the process has ended. One that is frozen needs calls to get on."""
    if is_frozen:
        here.call("GET", here.url("room1"))
    return pid not in pids(here)


@pytest.mark.parametrize("frozen", [(), ("--freezes",)], ids=["running", "frozen"])
def test_a_process_ends_after_it_has_answered_and_the_next_one_sends(
    tmp_path: Path, frozen: tuple[str, ...]
) -> None:
    with stage(tmp_path, "python3.12", *frozen) as here:
        here.publish("room1")
        here.record("room1")
        (before,) = pids(here)
        assert expire(here, "room2") == 502
        here.until(lambda: has_ended(here, before, is_frozen=bool(frozen)))

        here.publish("room3")
        here.record("room3")
        assert expired_lines(here) == 1


def test_a_process_whose_credentials_never_worked_does_not_end(tmp_path: Path) -> None:
    with stage(tmp_path, "python3.12") as here:
        first = expire(here, "room1", times=20)
        (before,) = pids(here)
        assert (first, expire(here, "room2", times=20)) == (502, 502)
        assert (pids(here), expired_lines(here)) == ({before}, 0)


def test_a_process_that_gets_credentials_with_each_call_does_not_end(tmp_path: Path) -> None:
    with stage(tmp_path, "python3.10") as here:
        here.publish("room1")
        here.record("room1")
        (before,) = pids(here)
        assert expire(here, "room2") == 502
        here.publish("room3")
        here.record("room3")
        assert (pids(here), expired_lines(here)) == ({before}, 0)

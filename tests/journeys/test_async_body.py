"""An asynchronous call over HTTP arrives as a request or as its body alone: which of them is
UNCONFIRMED (docs/platform/function-compute.md §3.2), so both work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cli.local.stack import running
from cli.paths import ROOT
from emulator.live import Remote
from tests.support.journey import Stage
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.slow
SHAPES = {"a request": (), "its body alone": ("--async-raw-body",)}
TRIGGERS = {"a request": "POST", "its body alone": "Invoked"}


@contextmanager
def stage(folder: Path, theirs: Receiver, shape: str) -> Iterator[Stage]:
    policy = folder / "forwards.toml"
    own = (ROOT / "policy.toml").read_text()
    policy.write_text(f'{own}\n[forward_to]\nstream = "{theirs.address}/s"\n')
    with running(folder / "stage", policy=policy, fc_options=SHAPES[shape]) as stack:
        yield Stage(stack, Remote(stack.live))


def answered(here: Stage, function: str) -> list[str]:
    """Return the lines about the calls that a function has answered."""
    url = f"{here.stack.fc}/_fc/logs"
    lines = requests.get(url, params={"function": function, "n": "100"}, timeout=60).json()["lines"]
    return [line["line"] for line in lines if "request.answered" in line["line"]]


def came_as(shape: str, lines: list[str]) -> bool:
    return any(f'"method": "{TRIGGERS[shape]}"' in line for line in lines)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_callback_is_forwarded_and_a_wake_up_wakes(tmp_path: Path, shape: str) -> None:
    with receiving() as theirs, stage(tmp_path, theirs, shape) as here:
        here.publish("room1")
        assert theirs.take(1)[0].query["id"] == "room1"
        here.until(lambda: came_as(shape, answered(here, "relay")))

        here.ask("room2", "start")
        here.live.fail(code="Throttling.User", status=429)
        here.publish("room2")  # a callback waits for nothing: a reconcile is woken
        here.until_sent("room2", "start", "start", "start")
        here.until(lambda: came_as(shape, answered(here, "reconcile")))

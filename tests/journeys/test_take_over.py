"""A second stage takes over: it observes what the first forwards, gets its state in a file, and
acts after one command (docs/disaster.md)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from cli.local.stack import TOKEN, Stack, running
from cli.main import main
from cli.paths import ROOT
from emulator.live import Remote
from tests.support.journey import Stage

pytestmark = pytest.mark.slow
HOUR_S = 3_600
RULE = """
[[rule]]
match = { app = "app" }
on_publish = "record"
"""


def policy_of(folder: Path, head: str = "", tail: str = "") -> Path:
    file = folder / "policy.toml"
    file.parent.mkdir()
    file.write_text(f"{head}\n{(ROOT / 'policy.toml').read_text()}\n{RULE}\n{tail}")
    return file


@contextmanager
def standby(folder: Path) -> Iterator[Stage]:
    """Run the second stage, which only observes, and the account's Live."""
    policy = policy_of(folder / "second-policy", 'mode = "observe"')
    with running(folder / "second", policy=policy) as stack:
        yield at(stack)


@contextmanager
def acting(folder: Path, second: Stage) -> Iterator[Stage]:
    """Run the first stage: Live calls it back, and it forwards every callback to the second."""
    urls = callbacks(second)
    targets = f'[forward_to]\nstream = "{urls["stream_url"]}"\nrecord = "{urls["record_url"]}"\n'
    policy = policy_of(folder / "first-policy", tail=targets)
    clock = {"LIVE_RECORD_DEV_CLOCK": str(second.stack.folder / "clock.json")}
    live = second.stack.live
    with running(folder / "first", policy=policy, live=live, settings=clock) as stack:
        yield at(stack)


def at(stack: Stack) -> Stage:
    return Stage(stack, Remote(stack.live))


def callbacks(stage: Stage) -> dict[str, str]:
    """Return what setup --callback-urls prints for the stage."""
    urls = types(stage, "setup", "--callback-urls", "--live", stage.stack.live)["callback_urls"]
    return {f"{kind}_url": urls[kind] for kind in ("stream", "record")}


def types(stage: Stage, *words: str) -> dict[str, Any]:
    """Return what a command prints with --json."""
    ran = CliRunner().invoke(
        main, [*words, "--url", stage.stack.fc, "--token", TOKEN, "--json", "--language", "en"]
    )
    assert ran.exit_code == 0, ran.output
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def problems(stage: Stage) -> list[str]:
    health = requests.get(f"{stage.stack.fc}/v1/health", timeout=60).json()
    return [problem["code"] for problem in health["problems"]]


def test_the_second_stage_goes_on_where_the_first_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with standby(tmp_path) as second:
        with acting(tmp_path, second) as first:
            first.publish("room1")
            first.record("room1", max_duration="2h")
            first.publish("room2")
            first.record("room2")
            first.ask("room2", "stop")
            first.until_sent("room2", "start", "stop")
            until = first.status("room1")["until"]
            second.until(lambda: "published" in second.history("room1"))
            assert second.sent("room1") == ["start"]
            types(first, "state", "export", str(file))

        # the first stage is gone; the CNAME leads to the second, and one command lets it act
        second.live.notify(**callbacks(second))
        assert types(second, "state", "import", str(file))["imported"] == 2
        assert second.status("room1")["until"] == until
        assert problems(second) == ["mode_observe"]
        types(second, "policy", "mode", "act")

        second.reconcile()
        second.until(lambda: second.sent("room1")[1:] == ["start"])
        second.until_told("room1", "already")
        for name in ("room1", "room2"):
            second.unpublish(name)
            second.publish(name)
        second.until(lambda: second.records("room1"))
        second.until_told("room2", "held")
        assert second.sent("room2") == ["start", "stop"]
        second.live.advance(2 * HOUR_S + 60)
        second.reconcile()
        second.until(lambda: second.sent("room1")[-1] == "stop")


def test_two_acting_stages_are_noticed(tmp_path: Path) -> None:
    with standby(tmp_path) as second, acting(tmp_path, second) as first:
        first.publish("room1")
        second.until(lambda: "published" in second.history("room1"))
        assert problems(second) == ["mode_observe"]

        types(second, "policy", "mode", "act")
        second.until(lambda: problems(second) == [])
        rooms = itertools.count(2)

        def is_noticed() -> bool:
            """Return whether it is, after one more callback: a policy is 10 s old at most."""
            first.publish(f"room{next(rooms)}")
            return problems(second) == ["two_stages_act"]

        second.until(is_noticed)
        types(second, "policy", "mode", "observe")

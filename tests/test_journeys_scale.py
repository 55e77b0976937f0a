"""A crowd of streams and the quota of Function Compute, over the real HTTP edge, each engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from cli.stack import REDIS, SQLITE, running
from emulator.live import Remote
from tests.journey import PATIENCE, Stage

pytestmark = pytest.mark.slow
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app", stream = "class*" }
on_publish = "record"
[[rule]]
match = { domain = "live.example.com", app = "app", stream = "few*" }
max_concurrent = 2
"""


@pytest.fixture(scope="module", params=[SQLITE, REDIS])
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    with running(folder, policy=policy, store=request.param) as stack:
        stage = Stage(stack, Remote(stack.live))
        stage.live.notify(record_url="")
        yield stage


def now(here: Stage) -> int:
    return int(here.live.get("clock")["now_ms"])


def test_with_one_callback_in_ten_refused_every_wanted_stream_is_recorded_within_90_s(
    here: Stage,
) -> None:
    """What Function Compute answers 429, Live does not send again: it is as good as never sent."""
    names = [f"class{number}" for number in range(40)]
    began = now(here)
    for number, name in enumerate(names):
        if number % 10 == 3:
            here.live.detour("drop", event="publish", stream=name)
        here.publish(name)
    here.live.advance(60)
    here.until(lambda: all(here.records(name) for name in names))

    assert now(here) - began < 90_000
    assert all(here.sent(name) == ["start"] for name in names)


def test_beyond_max_concurrent_a_start_says_that_it_waits_and_gets_the_place_that_frees_up(
    here: Stage,
) -> None:
    for name in ("few1", "few2", "few3"):
        here.publish(name)
        here.ask(name, "start")
    here.until(lambda: here.records("few1") and here.records("few2"))
    told = here.status("few3")
    assert (told["phase"], told["because"]["code"]) == ("queued", "no_place")
    assert here.sent("few3") == []

    here.ask("few1", "stop")
    here.until(lambda: here.records("few3"))
    assert not here.records("few1")


def test_health_tells_how_much_of_the_lane_is_used(here: Stage) -> None:
    told = requests.get(f"{here.stack.fc}/v1/health", timeout=PATIENCE).json()

    assert told["lane"]["rate"] == 45
    assert told["lane"]["used"] > 0

"""A crowd of streams and the quota of Function Compute, over the real HTTP edge, each engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import yaml

from cli.local.stack import REDIS, SQLITE, running
from cli.paths import ROOT
from emulator.live import Remote
from tests.support.journey import CLASSES_ARE_RECORDED, PATIENCE, Stage

pytestmark = pytest.mark.slow
FEW_AT_ONCE = """
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
    policy.write_text(CLASSES_ARE_RECORDED + FEW_AT_ONCE)
    template = folder / "s.yaml"
    template.write_text(with_one_instance_for_callbacks())
    with running(folder, policy=policy, template=template, store=request.param) as stack:
        stage = Stage(stack, Remote(stack.live))
        stage.live.notify(record_url="")
        yield stage


def with_one_instance_for_callbacks() -> str:
    """Whoever comes while it is busy is answered 429, as where the account's quota is used up."""
    document = yaml.safe_load((ROOT / "s.yaml").read_text())
    props = document["resources"]["stream_events"]["props"]
    props["concurrencyConfig"] = {"reservedConcurrency": 1}
    return yaml.safe_dump(document)


def refused(here: Stage, names: Sequence[str]) -> int:
    """How many of their callbacks Function Compute answered 429, which Live does not repeat."""
    answer = here.live.calls()["callbacks"]
    return sum(one["status"] == 429 for one in answer if one["stream"] in names)


def test_with_a_callback_in_ten_refused_every_wanted_stream_is_recorded_by_the_next_timer(
    here: Stage,
) -> None:
    """That they are within 90 s, tests/simulation shows, where no machine is slow."""
    names = [f"class{number}" for number in range(40)]
    with ThreadPoolExecutor(4) as encoders:
        list(encoders.map(here.publish, names))
    here.live.advance(60)
    here.until(lambda: all(here.records(name) for name in names))

    assert refused(here, names) >= len(names) // 10
    # One start, and after 60 s one more where the report of the first was refused, too.
    assert {tuple(here.sent(name)) for name in names} <= {("start",), ("start", "start")}


def test_beyond_max_concurrent_a_start_says_that_it_waits_and_gets_the_place_that_frees_up(
    here: Stage,
) -> None:
    for name in ("few1", "few2"):
        here.publish(name)
        here.record(name)
    here.publish("few3")
    here.ask("few3", "start")
    here.until(lambda: here.status("few3")["reason"]["code"] == "no_quota")
    assert here.status("few3")["phase"] == "queued"
    assert here.sent("few3") == []

    here.ask("few1", "stop")
    here.until(lambda: here.records("few3"))
    assert not here.records("few1")


def test_health_tells_how_much_of_the_lane_is_used(here: Stage) -> None:
    health = requests.get(f"{here.stack.fc}/v1/health", timeout=PATIENCE).json()

    assert health["rate_limit"]["rate"] == 45
    assert health["rate_limit"]["used"] > 0

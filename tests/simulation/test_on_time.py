"""Checks of the protocol come on time, whenever the timer runs: measured in virtual time."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from shared.engine.recorder import SOON_MS
from shared.protocol import StartAsked, StopAsked
from shared.protocol.policy import OnInterruption
from tests.repository.rooms import ROOT
from tests.simulation.plan import DOMAIN, INGEST, NOON, SECOND, Deed, Do, Plan
from tests.simulation.simulation import Simulation
from tests.simulation.world import Config, Stream, Switches
from tests.simulation.world.switches import SecondPublisher, WhenPaused

pytestmark = pytest.mark.slow

POLICY = json.dumps({"domain": [{"streaming": DOMAIN, "ingest": [INGEST]}], "rule": []})
PAGE = ROOT / "docs" / "policy.md"
MINUTE_MS = 60_000
COLD_START_MS = 5_000
MERGE_DELAY_MS = 180_000
ROOM, OTHER = range(2)
SEEDS = range(8)
"""Each seed has its timer at another second of the minute, and cold starts of other lengths."""


def played(seed: int, switches: Switches, *deeds: Deed) -> Simulation:
    """Return the simulation after these deeds, with no fault besides."""
    streams = tuple(Stream(DOMAIN, "app", name) for name in ("room", "other"))
    config = Config(delay_ms=MERGE_DELAY_MS)
    plan = Plan(seed, streams, deeds, switches, config, MERGE_DELAY_MS, POLICY, instances=100)
    simulation = Simulation(plan)
    simulation.lots.rates = {}
    assert simulation.run().broken is None
    return simulation


def at(seconds: float, do: Do, stream: int = ROOM, **more: object) -> Deed:
    return Deed(NOON + round(seconds * SECOND), do, stream, **more)  # type: ignore[arg-type] # Deed's own


def arrivals(simulation: Simulation, command: str) -> Sequence[int]:
    return [
        arrived.at
        for arrived in simulation.live.arrived
        if (arrived.stream.name, arrived.command) == ("room", command)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_and_a_start_at_once_leave_no_longer_pause_than_the_check_takes(seed: int) -> None:
    simulation = played(
        seed,
        Switches(start_while_paused=WhenPaused.ALREADY_STARTED),
        at(5, Do.PUBLISH),
        at(10, Do.ASK, ask=StartAsked("ann")),
        at(70, Do.ASK, ask=StopAsked("ann")),
        at(70.3, Do.ASK, ask=StartAsked("ann")),
    )

    before, after = simulation.live.intervals
    assert before.end is not None
    assert 10_000 <= after.start - before.end < 12_000


@pytest.mark.parametrize("seed", SEEDS)
def test_a_start_that_does_nothing_is_repeated_after_a_minute(seed: int) -> None:
    simulation = played(
        seed,
        Switches(failed_start_is_silent=True),
        at(1, Do.PUBLISH, OTHER),  # its reports show that status callbacks work
        at(4, Do.ASK, OTHER, ask=StartAsked("ann")),
        at(120, Do.PUBLISH),
        at(129, Do.NO_BUCKET, -1, ms=20_000),
        at(130, Do.ASK, ask=StartAsked("ann")),
    )

    first, second = arrivals(simulation, "start")
    assert 60_000 <= second - first < 62_000


RECONNECTS = (
    at(5, Do.PUBLISH),
    at(10, Do.ASK, ask=StartAsked("ann")),
    at(80, Do.PUBLISH),  # by way of another node: the first one's publish_done comes 3 s after it
)


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_late_end_of_the_publish_before_splits_no_file(seed: int, reports: bool) -> None:
    switches = Switches(second_publisher=SecondPublisher.TAKES_OVER, status_callbacks=reports)
    simulation = played(seed, switches, *RECONNECTS)

    assert arrivals(simulation, "restart") == []
    assert len(simulation.live.intervals) == 2


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_recording_that_stays_paused_is_restarted_after_10_s(seed: int, reports: bool) -> None:
    switches = Switches(
        second_publisher=SecondPublisher.TAKES_OVER,
        status_callbacks=reports,
        start_after_interruption=WhenPaused.ALREADY_STARTED,
    )
    simulation = played(seed, switches, *RECONNECTS)

    (restart,) = arrivals(simulation, "restart")
    answered = max(at for at in arrivals(simulation, "start") if at < restart)  # later ones check
    assert 10_000 <= restart - answered < 12_000


@pytest.mark.parametrize("seed", SEEDS)
def test_an_end_that_was_reported_is_known_once_two_polls_have_seen_it(seed: int) -> None:
    """A manual recording stops with its stream: the intent that ends with it sends its stop."""
    simulation = played(
        seed,
        Switches(),
        at(5, Do.PUBLISH),
        at(10, Do.ASK, ask=StartAsked("ann", on_interruption=OnInterruption.STOP)),
        at(70, Do.UNPUBLISH),
    )

    (stop,) = arrivals(simulation, "stop")
    assert 5_000 <= stop - (NOON + 70 * SECOND) < 17_000


@pytest.mark.parametrize("seed", SEEDS)
def test_a_recording_ends_as_soon_after_its_end_as_the_page_on_the_policy_says(seed: int) -> None:
    """The runs of the timer begin once a minute, and each waits for what is due within SOON_MS."""
    simulation = played(
        seed,
        Switches(),
        at(5, Do.PUBLISH),
        at(10, Do.ASK, ask=StartAsked("ann", max_duration=90 * SECOND)),
    )

    (accepted,), (stop, *_) = arrivals(simulation, "start"), arrivals(simulation, "stop")
    after_the_end = stop - accepted - 90 * SECOND
    (longest,) = re.findall(r"may be sent up to (\d+) s late", PAGE.read_text(encoding="utf-8"))
    assert int(longest) * SECOND == MINUTE_MS - SOON_MS
    assert 0 <= after_the_end < MINUTE_MS - SOON_MS + COLD_START_MS

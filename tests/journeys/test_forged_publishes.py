"""Whoever has captured one pair of signature headers publishes hundreds of streams that are not
live; a genuine stream begins among them. What goes over the wire, on each engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from cli.local.stack import REDIS, SQLITE, running
from emulator.live import Remote
from functions.stream_events import MAX_SIGNED_STREAMS
from tests.support.journey import CLASSES_ARE_RECORDED, Stage

pytestmark = pytest.mark.slow
FORGED = 400
ATTEMPTS = 5
"""Of one start that Live does not know, at most."""
MAX_SENT_BEFORE = 45
"""One second of the rate limit; 19 s of it went before a genuine start once."""
CHECKED_AFTER_MS = 10_000
"""ms after an accepted start for which no report has come: it is sent once more."""
RETRIES_LAST_S = 40
"""s after a publish for which a start that Live does not know is sent again (30), and then some."""


@pytest.fixture(params=[SQLITE, REDIS])
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    policy = folder / "policy.toml"
    policy.write_text(CLASSES_ARE_RECORDED)
    with running(folder, policy=policy, store=request.param) as stack:
        yield Stage(stack, Remote(stack.live))


def commands(here: Stage) -> tuple[int, int]:
    """Return how many commands went over the wire, for forged streams and for the others."""
    calls = [call for call in here.live.calls()["calls"] if call["command"]]
    forged = sum("forged" in call["stream"] for call in calls)
    return forged, len(calls) - forged


def started_at(here: Stage) -> Sequence[int]:
    """Return when each command of the genuine stream went over the wire."""
    calls = here.live.calls()["calls"]
    return [call["at_ms"] for call in calls if call["command"] and call["stream"] == "class-real"]


def sent_before(here: Stage) -> int:
    """Return how many commands of others went over the wire between the genuine publish and its
    start: the rate limit makes each one wait for them."""
    arrived = next(
        call["at_ms"] for call in here.live.calls()["callbacks"] if call["stream"] == "class-real"
    )
    calls = [call for call in here.live.calls()["calls"] if call["command"]]
    start = next(call["n"] for call in calls if call["stream"] == "class-real")
    return sum(call["at_ms"] >= arrived and call["n"] < start for call in calls)


def test_forged_publishes_send_next_to_nothing_and_delay_no_genuine_stream(here: Stage) -> None:
    """Once 400 of them caused 1,198 commands, and the genuine stream started 19 s late."""
    second = here.now_s()
    with ThreadPoolExecutor(8) as attacker:
        forging = [
            attacker.submit(here.ingest, f"class-forged{number}", second=second)
            for number in range(FORGED)
        ]
        here.until(lambda: sum(one.done() for one in forging) > FORGED // 2)
        here.live.publish("class-real")
        here.until(lambda: here.sent("class-real") == ["start"])
        statuses = {one.result().status_code for one in forging}
    # Its own report may have been refused for want of an instance; without one it is started again,
    # and a slow machine may take so long until here.
    here.live.record_event("class-real", "record_started", event="record_started")
    here.until_told("class-real", "confirmed")
    started = started_at(here)
    here.live.advance(RETRIES_LAST_S)
    here.reconcile()
    forged, genuine = commands(here)
    before = sent_before(here)
    print(f"{FORGED} forged publishes: {forged} commands, {before} before the genuine one")

    assert statuses <= {200, 429}
    assert genuine == len(started)
    assert all(later - earlier >= CHECKED_AFTER_MS for earlier, later in pairwise(started))
    assert forged <= MAX_SIGNED_STREAMS * ATTEMPTS
    assert before <= MAX_SENT_BEFORE

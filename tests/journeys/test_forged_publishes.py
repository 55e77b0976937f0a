"""Whoever has captured one pair of signature headers publishes hundreds of streams that are not
live; a genuine stream begins among them. What goes over the wire, on each engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.local.stack import REDIS, SQLITE, running
from emulator.live import Remote
from functions.stream_events import MAX_SIGNED_STREAMS
from tests.support.journey import CLASSES_ARE_RECORDED, PATIENCE, Stage

pytestmark = pytest.mark.slow
FORGED = 400
ATTEMPTS = 5
"""Of one start that Live does not know, at most."""
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
        began = time.monotonic()
        here.until(lambda: here.sent("class-real") == ["start"])
        late_s = time.monotonic() - began
        statuses = {one.result().status_code for one in forging}
    here.live.advance(RETRIES_LAST_S)
    here.reconcile()
    forged, genuine = commands(here)
    print(f"{FORGED} forged publishes: {forged} commands; the genuine start after {late_s:.1f} s")

    assert statuses <= {200, 429}
    assert genuine == 1
    assert forged <= MAX_SIGNED_STREAMS * ATTEMPTS
    assert late_s < PATIENCE / 10

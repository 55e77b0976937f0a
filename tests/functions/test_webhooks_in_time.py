"""How long an event takes to its receiver, in virtual time: the machine's speed does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.notify_webhooks import Pace, figures
from functions.notify.telling import LOOK_AGAIN_S, NOTICE_S, RECEIVER_WORKERS

pytestmark = pytest.mark.slow

FREE = Pace(store_ms=0, call_ms=0, slowness=0)
ROUNDS = 2


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder}/records.db"


def test_an_event_is_sent_as_soon_as_it_is_handed_over(tmp_path: Path) -> None:
    found = figures(tmp_path, store_in(tmp_path), 40, "gap.*", FREE)
    assert (found["lost"], found["twice"]) == (0, 0)
    assert found["max_s"] <= LOOK_AGAIN_S + 2 * NOTICE_S


@pytest.mark.slow
def test_events_of_one_moment_wait_for_no_more_calls_than_there_are_rounds(tmp_path: Path) -> None:
    """Their alerts are raised at one moment; a second half waits until the first is sent."""
    pace = Pace(store_ms=0, call_ms=1_000, slowness=0)
    streams = ROUNDS * RECEIVER_WORKERS
    found = figures(tmp_path, store_in(tmp_path), streams, "alert.raised", pace)
    assert found["events"] == streams
    assert ROUNDS <= found["max_s"] <= ROUNDS + LOOK_AGAIN_S + 4 * NOTICE_S

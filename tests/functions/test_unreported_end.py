"""What a stage answers if Live accepts a stop and records on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY, Clock
from tests.support.scheduled_stage import MINUTE_MS, TOKEN, ScheduledStage

PATH = f"/v1/recordings/{KEY}"
SECOND_MS = 1_000


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[ScheduledStage]:
    """Return a stage on which Live has accepted the stop of a recording, and reported no end."""
    stage = ScheduledStage(tmp_path, clock, LIVE_RECORD_API_TOKENS=f"ops:read+control:{TOKEN}")
    stage.publish()
    stage.ask("POST", f"{PATH}/start")
    stage.report("record_started", KEY)
    stage.at(clock.now + MINUTE_MS)
    assert stage.ask("POST", f"{PATH}/stop")["outcome"] == "accepted"
    yield stage
    stage.app.store.close()


def passes(stage: ScheduledStage, minutes: int) -> None:
    for _ in range(minutes):
        stage.at(stage.clock.now + MINUTE_MS + SECOND_MS)


def codes(stage: ScheduledStage) -> list[str]:
    return [problem["code"] for problem in stage.ask("GET", "/v1/health")["problems"]]


def test_a_status_says_that_the_end_was_not_reported(stage: ScheduledStage) -> None:
    stage.clock.now += 20 * SECOND_MS
    status = stage.ask("GET", PATH)

    assert (status["phase"], status["reason"]["code"]) == ("idle", "end_unreported")
    assert status["next_attempt_at"] is not None


def test_health_reports_a_stop_that_live_accepts_again_and_again(stage: ScheduledStage) -> None:
    passes(stage, 4)

    assert stage.sent == ["start", "stop", "stop", "stop"]
    assert stage.ask("GET", PATH)["phase"] == "stopping"
    assert "not_stopped" in codes(stage)


def test_the_report_of_the_end_ends_it(stage: ScheduledStage) -> None:
    passes(stage, 4)
    stage.report("record_paused", KEY)

    status = stage.ask("GET", PATH)
    assert (status["phase"], status["reason"]["code"]) == ("idle", "held")
    assert "not_stopped" not in codes(stage)

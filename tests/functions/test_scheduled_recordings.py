"""What a schedule does to a recording, from the outside: written over HTTP, begun and ended by the
timer's reconcile, with Live's callbacks in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY, Clock
from tests.support.callback_stage import LESSON
from tests.support.scheduled_stage import DAY_MS, ENDS, MINUTE_MS, SHOW, TOKEN
from tests.support.scheduled_stage import ScheduledStage as Stage


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=f"ops:read+control:{TOKEN}")
    yield stage
    stage.app.store.close()


def test_a_recording_by_policy_goes_on_when_a_schedule_over_it_ends(stage: Stage) -> None:
    stage.schedule(LESSON, overrun="none")
    stage.publish(LESSON)
    assert stage.sent == ["start"]
    stage.report("record_started", LESSON)

    stage.at(SHOW).at(ENDS).at(ENDS + 60 * MINUTE_MS)

    assert set(stage.sent) == {"start"}
    path = f"/v1/recordings/{LESSON}"
    assert stage.ask("GET", path)["intent"]["requester"] == "policy"


def test_a_status_says_so_of_a_stop_that_holds_while_the_stream_stays_live(stage: Stage) -> None:
    path = f"/v1/recordings/{KEY}"
    stage.schedule(overrun="none")
    stage.publish()
    stage.at(SHOW - 2 * MINUTE_MS)
    stage.ask("POST", f"{path}/stop", hold="session")
    assert stage.ask("GET", path)["schedules"][0]["barred"] is True
    stage.goes_off()
    stage.at(SHOW - MINUTE_MS)
    assert stage.ask("GET", path)["schedules"][0]["barred"] is False


@pytest.mark.parametrize(("hold", "is_barred"), [("12h", True), ("1m", False)])
def test_a_status_says_that_a_stop_keeps_a_later_occurrence_from_being_recorded(
    stage: Stage, hold: str, is_barred: bool
) -> None:
    path = f"/v1/recordings/{KEY}"
    stage.schedule(overrun="none")
    stage.at(SHOW - 2 * MINUTE_MS)
    assert [one["barred"] for one in stage.ask("GET", path)["schedules"]][:1] == [False]

    stage.ask("POST", f"{path}/stop", hold=hold)
    assert [one["barred"] for one in stage.ask("GET", path)["schedules"]][:1] == [is_barred]
    stage.at(SHOW).publish()
    assert (stage.sent[-1:] == ["start"]) is not is_barred


def test_a_stop_during_an_occurrence_bars_that_one_and_not_the_next(stage: Stage) -> None:
    stage.schedule(overrun="none")
    stage.publish()
    stage.at(SHOW)
    assert stage.sent == ["start"]
    stage.report("record_started", KEY)

    stage.ask("POST", f"/v1/recordings/{KEY}/stop")
    stage.report("record_paused", KEY)
    stage.at(SHOW + 2 * MINUTE_MS).at(SHOW + 30 * MINUTE_MS)
    assert stage.sent == ["start", "stop"]
    assert stage.ask("GET", f"/v1/recordings/{KEY}")["phase"] != "recording"

    stage.at(SHOW + DAY_MS)
    assert stage.sent[:3] == ["start", "stop", "start"]
    assert set(stage.sent[2:]) == {"start"}


def test_a_show_that_runs_over_is_recorded_to_its_end(stage: Stage) -> None:
    stage.schedule(overrun="30m")
    stage.at(SHOW).publish()
    assert stage.sent == ["start"]
    stage.report("record_started", KEY)

    stage.at(ENDS).at(ENDS + 10 * MINUTE_MS)
    assert "stop" not in stage.sent

    stage.goes_off()
    stage.at(stage.clock.now + MINUTE_MS).at(stage.clock.now + MINUTE_MS)
    assert stage.sent[-1] == "stop"
    assert stage.ask("GET", f"/v1/recordings/{KEY}")["phase"] == "idle"


def test_a_show_that_does_not_end_is_recorded_to_the_hard_limit(stage: Stage) -> None:
    stage.schedule(overrun="30m")
    stage.at(SHOW).publish()
    stage.report("record_started", KEY)

    stage.at(ENDS + 29 * MINUTE_MS)
    assert "stop" not in stage.sent

    stage.at(ENDS + 30 * MINUTE_MS)
    assert stage.sent[-1] == "stop"

"""What a schedule does to a recording, from the outside: written over HTTP, begun and ended by the
timer's reconcile, with Live's callbacks in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from functions import record_command
from shared.protocol import StreamKey
from shared.protocol.durations import instant
from tests.conftest import KEY, Clock
from tests.support.callback_stage import LESSON
from tests.support.reconciling import ReconcilingStage

TOKEN = "ops-token-000000000"
MINUTE_MS, DAY_MS = 60_000, 86_400_000
SHOW = instant("2025-11-22T12:00:00Z")
ENDS = SHOW + 60 * MINUTE_MS


class Stage(ReconcilingStage):
    """`at` lets the clock come to a time at which the timer's reconcile runs."""

    def ask(self, method: str, path: str, **body: object) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        text = json.dumps(body)
        got = self.call(record_command, method, path, headers=headers, body=text)
        assert got.status in (200, 202), got.json
        return got.json

    def schedule(self, key: StreamKey = KEY, **more: object) -> None:
        times = {"start": "2025-11-22T12:00:00", "end": "2025-11-22T13:00:00", "timezone": "UTC"}
        body = {"streams": [str(key)], "rrule": "FREQ=DAILY", **times, **more}
        self.ask("PUT", "/v1/schedules/daily", **body)

    def at(self, at: int) -> Stage:
        self.clock.now = at
        self.minute()
        return self

    def publish(self, key: StreamKey = KEY) -> None:
        self.listing.up[key] = self.clock.now // 1000 * 1000
        self.ingest("publish", key)

    def goes_off(self, key: StreamKey = KEY) -> None:
        del self.listing.up[key]
        self.report("record_paused", key)
        self.ingest("publish_done", key)

    def report(self, event: str, key: StreamKey) -> None:
        about = {"domain": key.domain, "app": key.app, "stream": key.stream}
        self.record_callback(**about, event=event, time=self.clock.now // 1000)

    @property
    def sent(self) -> Sequence[str]:
        return [command.value for command, _ in self.listing.carried]


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

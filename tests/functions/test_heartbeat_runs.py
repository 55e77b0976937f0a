"""A heartbeat follows each drain of the timer that worked, and nothing follows from its loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from functions import record_command
from shared.engine.dispatcher import LINGER_MS
from shared.inbound.function_compute import InvocationFailed
from shared.outbound.heartbeat import Heartbeat
from shared.outbound.http import Unanswered
from shared.store import open_store
from tests.conftest import Clock
from tests.support.callback_stage import LESSON
from tests.support.reconciling import ReconcilingStage

URL = "https://monitor.example.com/ping/5b1e4a7c-90d2"


class Monitor:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = False

    def call(self, url: str) -> None:
        self.asked.append(url)
        if self.is_away:
            raise Unanswered("TimeoutError")


class MonitoredHeartbeat(Heartbeat, frozen=True, kw_only=True):
    """A heartbeat whose monitor is in this process."""

    monitor: Monitor

    def send(self) -> None:
        self.monitor.call(self.url)


class BeatingStage(ReconcilingStage):
    def __init__(self, folder: Path, clock: Clock, **settings: str) -> None:
        super().__init__(folder, clock, LIVE_RECORD_HEARTBEAT_URL=URL, **settings)
        self.monitor = Monitor()
        heartbeat = MonitoredHeartbeat(self.app.heartbeat.url, monitor=self.monitor)
        self.app = replace(self.app, heartbeat=heartbeat)

    def health(self) -> dict[str, object]:
        return self.call(record_command, "GET", "/v1/health").json


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[BeatingStage]:
    stage = BeatingStage(tmp_path, clock)
    yield stage
    stage.app.store.close()


def test_each_run_of_the_timer_sends_one(stage: BeatingStage) -> None:
    stage.minute()
    stage.minute()
    stage.woken()

    assert stage.monitor.asked == [URL, URL]
    assert stage.health()["heartbeat_ms_ago"] == LINGER_MS
    assert stage.health()["heartbeat_lost_ms_ago"] is None


def test_a_stage_without_a_monitor_sends_none(tmp_path: Path, clock: Clock) -> None:
    stage = ReconcilingStage(tmp_path, clock)
    stage.minute()

    assert stage.logged("heartbeat") == []
    assert stage.app.store.age_ms("heartbeat") is None


def test_one_that_is_lost_is_one_line_of_the_log_without_the_url(stage: BeatingStage) -> None:
    stage.monitor.is_away = True
    stage.ingest(key=LESSON)
    answer = stage.minute()

    (line,) = stage.logged("heartbeat")
    assert (line["event"], line["level"], line["why"]) == (
        *("heartbeat.lost", "warning"),
        "TimeoutError",
    )
    assert answer["failed"] == []
    assert "5b1e4a7c" not in json.dumps([*stage.lines, stage.health()])
    assert stage.health()["heartbeat_lost_ms_ago"] == 0


def test_a_drain_that_did_not_work_sends_none(stage: BeatingStage, tmp_path: Path) -> None:
    away = open_store("redis://127.0.0.1:1", rate=45, clock=stage.clock)
    stage.app = replace(stage.app, store=away)
    with pytest.raises(InvocationFailed):
        stage.minute()

    assert stage.monitor.asked == []


def test_no_log_shows_what_its_url_hides(stage: BeatingStage) -> None:
    assert "5b1e4a7c-90d2" in stage.app.settings.secrets
    assert URL in stage.app.settings.secrets

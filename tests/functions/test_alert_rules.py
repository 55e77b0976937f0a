"""Each alert rule fires on a stage with its fault planted, and none on a stage that is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from msgspec.structs import replace

from functions import record_command, stream_events
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import (
    InDoubt,
    LiveError,
    NoRecordConfig,
    OperatorActionNeeded,
    Throttled,
    Unavailable,
)
from shared.store import open_store
from shared.store.sqlite import SqliteStore
from tests.conftest import KEY, Clock
from tests.support.broken_records import break_record
from tests.support.callback_stage import LESSON, TOKEN
from tests.support.prometheus import Alert, Query, Scrapes
from tests.support.reconciling import ReconcilingStage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "prometheus" / "live-record.rules.yml"
RULES: Mapping[str, Mapping[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
SCRAPE_MS = 30_000
MANY = 300


class WatchedStage:
    """A stage that Prometheus scrapes twice a minute, and the alerts that fired so far."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        settings = {"LIVE_RECORD_API_TOKENS": "prometheus:read:prometheus-token"}
        self.stage = ReconcilingStage(folder, clock, **settings)
        self.stage.app = replace(self.stage.app, wake=cast("Any", lambda: None))
        self.scrapes = Scrapes({"job": "live-record", "stage": "prod"})
        self.alerts = {name: Alert(rule) for name, rule in RULES.items()}
        self.fired = set[str]()
        self._streams = 0

    @property
    def live(self) -> Any:  # noqa: ANN401 - the scripted one
        return self.stage.listing

    def minute(self, *, timer: bool = True) -> None:
        """Let one minute pass, with a run of the timer and two scrapes."""
        clock, began = self.stage.clock, self.stage.clock.now
        if timer:
            self.stage.minute()
        for at in (began + SCRAPE_MS, began + 2 * SCRAPE_MS):
            clock.now = max(clock.now, at)
            self._scrape()

    def publish(self) -> StreamKey:
        """Let one more lesson come up, whose recording Live reports once it has begun."""
        self._streams += 1
        key = StreamKey(LESSON.domain, LESSON.app, f"lesson{self._streams}")
        self.live.up[key] = self.stage.clock.now
        self.stage.ingest(key=key)
        return key

    def reports(self, key: StreamKey) -> None:
        self.stage.record_callback(event="record_started", app=key.app, stream=key.stream)

    def fail(self, command: Command, error: LiveError) -> None:
        self.live.answers(command, *[error] * MANY)

    def _scrape(self) -> None:
        token = {"Authorization": "Bearer prometheus-token"}
        got = self.stage.call(record_command, "GET", "/v1/metrics", headers=token)
        now = self.stage.clock.now
        self.scrapes.add(now, got.text if got.status == 200 else None)
        self.fired |= {
            name for name, alert in self.alerts.items() if alert.fires(self.scrapes, now)
        }


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Iterator[WatchedStage]:
    watched = WatchedStage(tmp_path, clock)
    store = watched.stage.app.store
    watched.minute()
    yield watched
    store.close()


def test_none_fires_on_a_stage_that_is_well(watched: WatchedStage) -> None:
    for number in range(40):
        if number % 3 == 0:
            watched.reports(watched.publish())
        watched.minute()

    assert watched.fired == set()


def store_is_away(watched: WatchedStage) -> None:
    away = open_store("redis://127.0.0.1:1", rate=45, clock=watched.stage.clock)
    watched.stage.app = replace(watched.stage.app, store=away)
    for _ in range(5):
        watched.minute(timer=False)


def timer_is_off(watched: WatchedStage) -> None:
    for _ in range(8):
        watched.minute(timer=False)


def configuration_is_missing(watched: WatchedStage) -> None:
    watched.fail(Command.START, NoRecordConfig("CodeConfigNotFound"))
    watched.publish()
    for _ in range(4):
        watched.minute()


def starts_find_no_timer(watched: WatchedStage) -> None:
    watched.fail(Command.START, Unavailable("ServiceUnavailable"))
    watched.publish()
    timer_is_off(watched)


def role_is_wrong(watched: WatchedStage) -> None:
    watched.fail(Command.START, OperatorActionNeeded("Forbidden.RAM"))
    watched.publish()
    watched.minute()


def key_is_wrong(watched: WatchedStage) -> None:
    path = f"/callbacks/stream/{TOKEN}"
    for _ in range(12):
        for _ in range(3):
            watched.stage.call(stream_events, "GET", path, query={"app": "push.example.com"})
        watched.minute()


def store_was_away(watched: WatchedStage) -> None:
    app = watched.stage.app
    away = open_store("redis://127.0.0.1:1", rate=45, clock=watched.stage.clock)
    watched.stage.app = replace(app, store=away)
    watched.publish()
    watched.stage.app = app
    watched.minute()
    watched.publish()
    watched.minute()


def live_throttles(watched: WatchedStage) -> None:
    watched.fail(Command.START, Throttled("Throttling.User"))
    for _ in range(4):
        watched.publish()
        watched.minute()


def live_loses_answers(watched: WatchedStage) -> None:
    watched.fail(Command.START, InDoubt("InternalError"))
    for _ in range(4):
        watched.publish()
        watched.minute()


def starts_wait(watched: WatchedStage) -> None:
    watched.live.answers(Command.START, *[Throttled("Throttling.User")] * 2)
    watched.publish()
    watched.minute(timer=False)
    watched.minute()


def record_is_unreadable(watched: WatchedStage) -> None:
    watched.stage.ingest(key=KEY)
    break_record(watched.stage.app.store, KEY)
    for _ in range(8):
        watched.minute()


def store_fills(watched: WatchedStage) -> None:
    db = cast("SqliteStore", watched.stage.app.store)._open()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages + pages // 10}")
    for _ in range(12):
        watched.minute()


def list_is_unreadable(watched: WatchedStage) -> None:
    watched.live.listed = OperatorActionNeeded("Forbidden.RAM")
    for _ in range(18):
        watched.minute()


FAULTS: Mapping[str, Callable[[WatchedStage], None]] = {
    "LiveRecordDown": store_is_away,
    "LiveRecordNotReady": timer_is_off,
    "LiveRecordNotRecorded": configuration_is_missing,
    "LiveRecordQueueOld": starts_find_no_timer,
    "LiveRecordStepSilent": timer_is_off,
    "LiveRecordPermission": role_is_wrong,
    "LiveRecordCallbacksRejected": key_is_wrong,
    "LiveRecordCallbacksFailed": store_was_away,
    "LiveRecordThrottled": live_throttles,
    "LiveRecordInDoubt": live_loses_answers,
    "LiveRecordStartsSlow": starts_wait,
    "LiveRecordQuarantine": record_is_unreadable,
    "LiveRecordStoreFilling": store_fills,
    "LiveRecordProblem": list_is_unreadable,
}


@pytest.mark.parametrize("name", RULES)
def test_each_fires_once_its_fault_is_planted(watched: WatchedStage, name: str) -> None:
    FAULTS[name](watched)

    assert name in watched.fired


def test_each_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in RULES.values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}


def test_what_the_judge_does_not_understand_is_refused() -> None:
    for expression in ("rate(up[5m])", "up > 0 and up < 2", "up offset 5m", "topk(1, up)"):
        with pytest.raises((ValueError, IndexError)):
            Query.vector(expression, Scrapes({}), 0)

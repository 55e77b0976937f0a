"""People are told what is wrong, by notify's timer alone: each condition with its fault planted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

import pytest
from msgspec.structs import replace

from functions import notify, record_command
from functions.notify.evaluating import evaluate
from shared.alerts.book import book_from_text
from shared.inbound.function_compute import TimerEvent
from shared.invocation.invocation import Invocation
from shared.outbox.endpoint import endpoint_note, endpoint_of, note_of
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import OF_STAGE, OUTBOX_MAX_BYTES, NewTask, TaskKind
from shared.protocol import (
    Occurrence,
    OccurrenceSkipped,
    Published,
    Reported,
    StartAsked,
    StopAsked,
    StreamRecord,
    TimePassed,
    Unpublished,
)
from shared.protocol.command_errors import Throttled
from shared.protocol.events import HOUR_MS, OccurrencesPlanned
from shared.protocol.policy import ConditionCode
from shared.protocol.stream import Command, StreamKey
from shared.schedule.rehearsal import Rehearsal, RehearsalVerdict, rehearsal_note
from shared.schedule.schedule import LATE_AFTER_MS, Expect, Schedule, StoredSchedule, keys_of
from shared.store import Store, open_store
from shared.store.contract import Filter, Loaded, Save
from shared.store.sqlite import SqliteStore
from shared.store.store_errors import Unreadable
from tests.conftest import KEY, PATIENT, Clock
from tests.support.alerting import AlertingStage, alerting
from tests.support.settling import settle

pytestmark = pytest.mark.slow

OPS = """
[[notify]]
sink = "ops"
severity = "info"
"""
ALL = OPS + '[[notify]]\nsink = "talk"\nlanguage = "zh"\n[[notify]]\nsink = "night"\n'
Alerting = Callable[..., AbstractContextManager[AlertingStage]]
Test = TypeVar("Test", bound=Callable[..., object])
PLANTED: dict[ConditionCode, str] = {}
"""The test that plants the fault of each condition, and heals it."""
ELSEWHERE = {ConditionCode.COPIES_FAIL: "test_deliver.py"}
BACKUP = StreamKey("live.example.com", "app", "room1-backup")
TICKED = StreamKey("live.example.com", "app", "`b`")
RUN_MS = 10_000
"""What a run itself takes: some wait for the robots."""
PAGE = Path(__file__).parents[2] / "docs" / "notify.md"
_ROW = re.compile(
    r"^\| `(\w+)` \| \w+ \| .+ \| (?:at once|\d+ h before [\w ]+|(\d+) (s|min)) \|$", re.MULTILINE
)
STATED_MS = {
    code: int(count or 0) * (60_000 if unit == "min" else 1_000)
    for code, count, unit in _ROW.findall(PAGE.read_text(encoding="utf-8"))
}
"""After how long each condition counts, as the page says."""
BY_RECONCILE = (ConditionCode.OCCURRENCE_MISSED, ConditionCode.OCCURRENCE_HELD)
"""Known once the minute's reconcile has decided about the occurrence, which began before."""


def plants(code: ConditionCode) -> Callable[[Test], Test]:
    """Return what says of a test that it plants the fault of a condition, with nobody at work but
    notify's timer: the alert is raised within its time and a minute, and resolved once it heals."""

    def mark(test: Test) -> Test:
        PLANTED[code] = test.__name__
        test.__dict__["plants"] = code
        return test

    return mark


@pytest.fixture
def at(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> Alerting:
    code: ConditionCode | None = getattr(request.function, "plants", None)

    @contextmanager
    def stage_with(policy: str, **settings: str) -> Iterator[AlertingStage]:
        with alerting(tmp_path, clock, policy, **settings) as stage:
            yield stage
            if code is not None:
                came_and_went(stage, code)

    return stage_with


def came_and_went(stage: AlertingStage, code: ConditionCode) -> None:
    alerts = book_from_text(stage.store.alerts().text).alerts.values()
    found = [alert for alert in alerts if alert.code == code.value]
    assert found
    for alert in found:
        assert not alert.is_open
        took_ms = alert.raised_at - alert.condition.since
        assert code in BY_RECONCILE or took_ms <= STATED_MS[code.value] + 60_000 + RUN_MS, took_ms


def test_the_fault_of_every_condition_is_planted_and_its_time_is_stated() -> None:
    assert PLANTED.keys() | ELSEWHERE.keys() == set(ConditionCode)
    assert STATED_MS.keys() == {code.value for code in ConditionCode}
    for code, name in ELSEWHERE.items():
        text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        assert f'condition="{code.value}"' in text


@pytest.fixture
def stage(at: Alerting) -> Iterator[AlertingStage]:
    with at(OPS) as stage:
        stage.minute()
        stage.tell()
        yield stage


def lose(stage: AlertingStage, key: StreamKey = KEY) -> None:
    """Have a stream that is wanted and live, and that Live will not record."""
    stage.live.answers(Command.START, *[Throttled("Throttling", "too many")] * 99)
    stage.happens(Published(stage.clock.now), key)


def of(stage: AlertingStage) -> list[str]:
    return [text.split("\n")[1] for text in stage.dingtalk.texts]


def test_a_stream_that_is_not_recorded_is_told_within_its_20_s_and_a_minute(
    stage: AlertingStage,
) -> None:
    lose(stage)
    stage.minutes(1)
    (text,) = stage.dingtalk.texts
    assert text.splitlines()[:3] == [
        "[live-record dev 2025-11-22T08:27:42Z]",
        "CRITICAL: streams that are live and not recorded: 1",
        f"{KEY}, for 1m: Live throttled start: the account sends more than 50 commands a second",
    ]


def test_it_is_told_on_a_deployed_engine_too(
    at: Alerting, clock: Clock, engines: Callable[[str], str]
) -> None:
    with at(OPS) as stage:
        url = f"{engines('valkey')}?stage={uuid4().hex}&{PATIENT}"
        stage.app = replace(stage.app, store=open_store(url, rate=50, clock=clock))
        stage.minute()
        lose(stage)
        stage.minutes(1)
        stage.live.script.clear()
        stage.minute()
        stage.happens(Reported("record_started", recording=True, time=stage.clock.now))
        stage.minutes(1)
        assert "CRITICAL: streams that are live and not recorded: 1" in stage.dingtalk.texts[0]
        assert "resolved: streams that are live and not recorded: 1" in stage.dingtalk.texts[-1]
        assert stage.store.outbox().open == 0


@plants(ConditionCode.NOT_RECORDED)
def test_it_is_told_when_it_heals(stage: AlertingStage) -> None:
    lose(stage)
    stage.minutes(1)
    stage.live.script.clear()
    stage.happens(Reported("record_started", recording=True, time=stage.clock.now))
    stage.minutes(1)
    assert of(stage)[1:] == ["resolved: streams that are live and not recorded: 1"]


@plants(ConditionCode.UNCONFIRMED)
def test_a_start_without_a_report_is_told_where_reports_are_known_to_come(
    stage: AlertingStage,
) -> None:
    stage.app.capabilities.record_status_callback(KEY.domain)
    stage.happens(Published(stage.clock.now))
    stage.minutes(1)
    assert of(stage) == ["WARNING: starts that Live has not reported on: 1"]
    stage.happens(Reported("record_started", recording=True, time=stage.clock.now))
    stage.minutes(1)
    assert of(stage)[1:] == ["resolved: starts that Live has not reported on: 1"]


def add(stage: AlertingStage) -> None:
    record = StreamRecord(KEY, changed_at=stage.clock.now)
    body = '{"uri": "record/1.mp4"}'
    stage.store.save_or_claim(Save(0, record, tasks=(NewTask("a", TaskKind.VERIFY_FILE, body),)))


@plants(ConditionCode.FILE_UNVERIFIED)
def test_a_file_that_nobody_verifies_is_told_after_ten_minutes(stage: AlertingStage) -> None:
    add(stage)
    for _ in range(11):
        for task in stage.store.take_tasks("verify_file", limit=1, lease_ms=1):
            retry = Settlement(Next.RETRY, retry_in_ms=50_000, why="OSS refuses")
            settle(stage.store, task, retry)
        stage.minute()
        stage.minutes(1)
    assert of(stage) == ["WARNING: files that are not verified: 1"]
    assert f"{KEY}, for 10m" in stage.dingtalk.texts[0]
    assert "record/1.mp4: OSS refuses" in stage.dingtalk.texts[0]
    stage.clock.pass_ms(60_000)
    (task,) = stage.store.take_tasks("verify_file", limit=1, lease_ms=1)
    settle(stage.store, task, Settlement(Next.DONE))
    stage.minute()
    stage.tell()
    assert of(stage)[1:] == ["resolved: files that are not verified: 1"]


def test_why_a_file_is_not_verified_is_told_in_the_robots_language(at: Alerting) -> None:
    """The reason of a task is stored in English."""
    with at('[[notify]]\nsink = "ops"\nlanguage = "zh"\n') as stage:
        add(stage)
        for _ in range(12):
            for task in stage.store.take_tasks("verify_file", limit=1, lease_ms=1):
                why = "OSS does not answer (ReadTimeout)"
                settle(stage.store, task, Settlement(Next.RETRY, retry_in_ms=50_000, why=why))
            stage.minute()
            stage.minutes(1)
        assert "record/1.mp4：OSS 没有应答" in "\n".join(stage.dingtalk.texts)


@plants(ConditionCode.TASKS_DEAD)
def test_dead_letters_are_told_until_they_are_sent_again(stage: AlertingStage) -> None:
    add(stage)
    (task,) = stage.store.take_tasks("verify_file", limit=1, lease_ms=1)
    settle(stage.store, task, Settlement(Next.DEAD, why="OSS refuses"))
    stage.minutes(1)
    stage.store.redrive("a")
    stage.minutes(1)
    name = "deliveries failed for good"
    assert of(stage) == [f"WARNING: {name}", f"resolved: {name}"]


@plants(ConditionCode.TIMER_SILENT)
def test_a_silent_timer_of_reconcile_is_told_by_the_timer_of_notify(stage: AlertingStage) -> None:
    stage.minutes(3)
    assert of(stage) == ["CRITICAL: a timer is silent"]
    assert "the function “reconcile” has not run for 3m2s" in stage.dingtalk.texts[0]
    stage.minute()
    stage.minutes(1)
    assert of(stage)[1:] == ["resolved: a timer is silent"]


@plants(ConditionCode.CALLBACKS_SILENT)
def test_callbacks_that_stopped_are_told_once_a_list_shows_a_stream_that_none_reported(
    stage: AlertingStage,
) -> None:
    stage.listing.up = {KEY: stage.clock.now}
    stage.minute()
    for _ in range(3):
        stage.minutes(1)
        stage.minute()
    assert "WARNING: no callbacks arrive" in "\n".join(stage.dingtalk.texts)
    stage.ingest()
    stage.minutes(1)
    assert "resolved: no callbacks arrive\n" in "\n".join(stage.dingtalk.texts)


def plan(
    stage: AlertingStage,
    starts_at: int,
    *,
    rehearsed_within: int = 0,
    late_after: int = LATE_AFTER_MS,
) -> None:
    """Plan a show of an hour, which begins a minute before its announced start."""
    demands = replace(SHOW, rehearsed_within=rehearsed_within, late_after=late_after)
    put(stage, demands, starts_at)


def plan_either(stage: AlertingStage, starts_at: int) -> None:
    """Plan the same of a main stream and its backup, of which one is enough."""
    put(stage, replace(SHOW, streams=(str(KEY), str(BACKUP)), expect=Expect.ANY), starts_at)


SHOW = Schedule("show", (str(KEY),), "2025-11-22T16:30:00", "2025-11-22T17:30:00", "Asia/Shanghai")


def put(stage: AlertingStage, schedule: Schedule, starts_at: int) -> None:
    show = Occurrence(
        f"{schedule.id}@1",
        schedule.id,
        starts_at,
        begins_at=starts_at - 60_000,
        ends_at=starts_at + HOUR_MS,
        until=starts_at + HOUR_MS,
    )
    text = StoredSchedule(schedule, begins_at=show.begins_at).to_text()
    stage.store.put_schedule(schedule.id, text, due_at=None, replaces=None)
    for key in keys_of(schedule.streams):
        stage.happens(OccurrencesPlanned(schedule.id, (show,)), key)


@plants(ConditionCode.SCHEDULED_NOT_LIVE)
def test_a_show_that_is_not_live_is_told_two_minutes_after_its_announced_start(
    stage: AlertingStage,
) -> None:
    plan(stage, stage.clock.now + 180_000)
    for _ in range(5):
        assert of(stage) == []
        stage.minute()
        stage.minutes(1)
    assert of(stage) == ["WARNING: streams that a schedule wants and that are not live: 1"]
    assert f"{KEY}, for 2m" in stage.dingtalk.texts[0]
    stage.happens(Published(stage.clock.now))
    stage.minutes(1)
    assert of(stage)[-1].startswith("resolved: streams that a schedule wants")


def test_a_schedule_says_how_late_its_stream_may_be(stage: AlertingStage) -> None:
    plan(stage, stage.clock.now + 180_000, late_after=300_000)
    counts = list[int]()
    for _ in range(9):
        stage.minute()
        stage.minutes(1)
        counts.append(len(of(stage)))
    assert counts == [0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert f"{KEY}, for 5m" in stage.dingtalk.texts[0]


NOT_LIVE = "streams that a schedule wants and that are not live"


def not_live(stage: AlertingStage) -> list[str]:
    return [text for text in of(stage) if NOT_LIVE in text]


def test_of_a_main_stream_and_its_backup_one_is_enough(stage: AlertingStage) -> None:
    plan_either(stage, stage.clock.now + 60_000)
    stage.happens(Published(stage.clock.now), BACKUP)
    stage.listing.up = {BACKUP: stage.clock.now}
    for _ in range(5):
        stage.minute()
        stage.minutes(1)
    assert not_live(stage) == []

    went_off_at = stage.clock.now
    stage.happens(Unpublished(went_off_at), BACKUP)
    stage.listing.up = {}
    while not not_live(stage) and stage.clock.now < went_off_at + 600_000:
        stage.minute()
        stage.minutes(1)
    assert not_live(stage) == [f"WARNING: {NOT_LIVE}: 1"]
    assert stage.clock.now - went_off_at >= 120_000


def test_if_neither_is_live_people_are_told_once(stage: AlertingStage) -> None:
    plan_either(stage, stage.clock.now + 60_000)
    for _ in range(5):
        stage.minute()
        stage.minutes(1)
    assert of(stage) == [f"WARNING: {NOT_LIVE}: 1"]
    stage.happens(Published(stage.clock.now), BACKUP)
    stage.minutes(1)
    assert of(stage)[1:] == [f"resolved: {NOT_LIVE}: 1"]


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_of_either_stream_what_was_missed_is_told_if_none_began(
    stage: AlertingStage, begun: int
) -> None:
    plan_either(stage, stage.clock.now + 180_000)
    stage.clock.pass_ms(HOUR_MS)
    for key in (KEY, BACKUP)[:begun]:
        stage.happens(TimePassed(), key)
    stage.clock.pass_ms(HOUR_MS)
    stage.minute()
    stage.minutes(1)
    missed = [text for text in of(stage) if "were missed" in text]
    assert missed == ([] if begun else ["WARNING: occurrences of schedules that were missed: 1"])


class SlowStore:
    """A store that takes 20 s for each record, and cannot read one of them."""

    def __init__(self, store: Store, unreadable: str = "") -> None:
        self._store, self._unreadable = store, unreadable
        self.now_s = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def load(self, key: StreamKey) -> Loaded:
        self.now_s += 20
        if key.stream == self._unreadable:
            raise Unreadable(key, "of a later release")
        return self._store.load(key)


def evaluate_slowly(stage: AlertingStage, unreadable: str = "") -> set[str]:
    """Evaluate within a minute, which is enough for two records; return the streams of the alerts
    that are open then. None is resolved."""
    slow = SlowStore(stage.store, unreadable)
    app = replace(stage.app, store=cast("Store", slow), monotonic=lambda: slow.now_s)
    evaluate(Invocation(app, None, seconds=60))
    alerts = book_from_text(stage.store.alerts().text).alerts.values()
    assert all(alert.is_open for alert in alerts)
    return {alert.stream.stream for alert in alerts if alert.stream}


def test_schedules_that_there_is_no_time_to_look_at_keep_their_alerts_and_come_first_next(
    stage: AlertingStage,
) -> None:
    for name in "abc":
        streams = (str(StreamKey(KEY.domain, KEY.app, name)),)
        put(stage, replace(SHOW, id=name, streams=streams), stage.clock.now + 180_000)
    stage.clock.pass_ms(2 * HOUR_MS)
    stage.minute()
    assert evaluate_slowly(stage) == {"a", "b"}
    assert evaluate_slowly(stage) == {"a", "b", "c"}
    assert evaluate_slowly(stage, unreadable="b") == {"a", "b", "c"}


@plants(ConditionCode.OCCURRENCE_MISSED)
def test_a_show_that_was_over_before_it_could_begin_is_told_for_a_day(
    stage: AlertingStage,
) -> None:
    plan(stage, stage.clock.now + 180_000)
    stage.clock.pass_ms(2 * HOUR_MS)
    stage.minute()
    stage.minutes(1)
    name = "occurrences of schedules that were missed"
    assert f"WARNING: {name}: 1" in of(stage)
    (text,) = [text for text in stage.dingtalk.texts if name in text]
    assert "occurrence show@1 of the schedule show was over before it could begin" in text

    stage.minutes(1)
    assert f"resolved: {name}: 1" not in "\n".join(stage.dingtalk.texts)
    stage.clock.pass_ms(24 * HOUR_MS)
    stage.minutes(1)
    assert f"resolved: {name}: 1" in "\n".join(stage.dingtalk.texts)


@plants(ConditionCode.OCCURRENCE_HELD)
def test_a_show_that_a_stop_keeps_from_being_recorded_is_told_until_somebody_starts_it(
    stage: AlertingStage,
) -> None:
    plan(stage, stage.clock.now + 180_000)
    stage.happens(Published(stage.clock.now))
    stage.happens(StopAsked("ann"))
    for _ in range(3):
        stage.minute()
        stage.minutes(1)
    name = "occurrences that are not recorded because of a stop"
    assert of(stage) == [f"WARNING: {name}: 1"]
    assert "an explicit stop still held when occurrence " in stage.dingtalk.texts[0]

    stage.happens(StartAsked("ann"))
    stage.minutes(1)
    assert of(stage)[1:] == [f"resolved: {name}: 1"]


NOT_REHEARSED = "applications that are to be recorded soon and were not rehearsed"


def pass_time(stage: AlertingStage, ms: int) -> None:
    """Let time pass, and both timers fire."""
    stage.clock.pass_ms(ms - 60_000)
    stage.minute()
    stage.minutes(1)


def rehearse(stage: AlertingStage, verdict: RehearsalVerdict, *, ago_ms: int = 0) -> None:
    found = Rehearsal(stage.store.now() - ago_ms, verdict, "ann", f"{KEY}-rehearsal")
    stage.store.set_text(rehearsal_note(KEY), found.to_text())


@plants(ConditionCode.NOT_REHEARSED)
def test_an_application_that_was_not_rehearsed_is_told_two_hours_before(
    stage: AlertingStage,
) -> None:
    plan(stage, stage.clock.now + 3 * HOUR_MS, rehearsed_within=24 * HOUR_MS)
    pass_time(stage, HOUR_MS - 120_000)
    assert of(stage) == []
    pass_time(stage, 60_000)
    assert of(stage) == [f"WARNING: {NOT_REHEARSED}: 1"]
    assert "live.example.com/app, for" in stage.dingtalk.texts[0]
    assert "and no rehearsal ended with GO in the 1d before" in stage.dingtalk.texts[0]
    rehearse(stage, RehearsalVerdict.NO_GO)
    pass_time(stage, 120_000)
    rehearse(stage, RehearsalVerdict.GO, ago_ms=23 * HOUR_MS)
    pass_time(stage, 120_000)
    assert len(of(stage)) == 1
    rehearse(stage, RehearsalVerdict.GO)
    pass_time(stage, 120_000)
    assert of(stage)[1:] == [f"resolved: {NOT_REHEARSED}: 1"]


def test_an_occurrence_that_is_skipped_needs_no_rehearsal(stage: AlertingStage) -> None:
    plan(stage, stage.clock.now + HOUR_MS, rehearsed_within=24 * HOUR_MS)
    stage.minutes(1)
    assert of(stage) == [f"WARNING: {NOT_REHEARSED}: 1"]
    stage.happens(OccurrenceSkipped("ann", "show@1"))
    pass_time(stage, 120_000)
    assert of(stage)[1:] == [f"resolved: {NOT_REHEARSED}: 1"]


@plants(ConditionCode.SCHEDULES_UNPLANNED)
def test_schedules_that_cannot_be_planned_are_told_and_stop_no_other_alert(
    stage: AlertingStage,
) -> None:
    begin, end = "2025-11-22T12:00:00", "2025-11-22T13:00:00"
    show = Schedule("broken", ("group:tv",), begin, end, "UTC", rehearsed_within=HOUR_MS)
    text = StoredSchedule(show, begins_at=stage.clock.now + HOUR_MS).to_text()
    stage.store.put_schedule("broken", text, 0, replaces=None)
    name = "schedules that cannot be planned"
    stage.minute()
    stage.minutes(1)
    assert of(stage) == [f"WARNING: {name}"]
    stage.store.remove_schedule("broken", replaces=text)
    stage.clock.pass_ms(60_000)
    stage.minute()
    stage.minutes(1)
    assert of(stage)[1:] == [f"resolved: {name}"]


@plants(ConditionCode.NAMES_UNUSABLE)
def test_names_that_no_command_can_carry_are_reported_until_they_are_gone(
    stage: AlertingStage,
) -> None:
    key = StreamKey(KEY.domain, KEY.app, "a*b")
    stage.listing.up[key] = stage.clock.now
    stage.minute()
    stage.minutes(1)
    name = "live streams whose names live-record cannot use"
    assert of(stage) == [f"CRITICAL: {name}"]
    del stage.listing.up[key]
    stage.clock.pass_ms(60_000)
    stage.minute()
    stage.minutes(1)
    assert of(stage)[1:] == [f"resolved: {name}"]


@plants(ConditionCode.RECEIVERS_UNSET)
def test_a_robot_that_the_settings_lack_is_reported_by_those_that_they_have(
    at: Alerting,
) -> None:
    with at(OPS + '[[notify]]\nsink = "gone"\n') as stage:
        stage.minute()
        stage.tell()
        name = "receivers that the settings lack"
        assert of(stage) == [f"WARNING: {name}"]
        (problem,) = [each for each in problems(stage) if each["code"] == "receivers_unset"]
        assert problem["text"].endswith(": gone (LIVE_RECORD_ROBOTS)")

        robots = (*stage.app.settings.robots, replace(stage.app.settings.robots[0], name="gone"))
        stage.app = replace(stage.app, settings=replace(stage.app.settings, robots=robots))
        stage.minutes(1)
        assert f"resolved: {name}" in of(stage)
        assert not [each for each in problems(stage) if each["code"] == "receivers_unset"]


def problems(stage: AlertingStage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.call(record_command, "GET", "/v1/health").json["problems"]
    return found


@plants(ConditionCode.QUEUE_LATE)
def test_commands_that_are_late_are_told(stage: AlertingStage) -> None:
    stage.live.answers(Command.START, *[Throttled("Throttling", "too many")] * 99)
    stage.happens(Published(stage.clock.now))
    stage.minutes(1)
    assert any("commands are late" in text for text in stage.dingtalk.texts)
    stage.live.script.clear()
    stage.minute()
    stage.minutes(1)
    assert any("resolved: commands are late" in text for text in stage.dingtalk.texts)


@plants(ConditionCode.TASKS_LATE)
def test_what_is_due_and_nobody_does_is_told_after_five_minutes(stage: AlertingStage) -> None:
    add(stage)
    for _ in range(6):
        stage.minute()
        stage.minutes(1)
    assert "WARNING: deliveries are late" in of(stage)
    (task,) = stage.store.take_tasks("verify_file", limit=1, lease_ms=1)
    settle(stage.store, task, Settlement(Next.DONE))
    stage.minutes(1)


@plants(ConditionCode.TASKS_DROPPED)
def test_what_has_no_room_is_told_for_a_day(stage: AlertingStage) -> None:
    fill = NewTask("fill", TaskKind.VERIFY_FILE, "x" * (OUTBOX_MAX_BYTES - 2_000))
    assert stage.store.add_tasks(OF_STAGE, (fill,)) == 0
    assert stage.store.add_tasks(OF_STAGE, (replace(fill, id="more"),)) == 1
    stage.minutes(1)
    assert len(of(stage)) == 1
    stage.clock.pass_ms(24 * HOUR_MS)
    stage.minute()
    stage.tell()


def limit_room(stage: AlertingStage, room_bytes: int) -> None:
    """Let the file of the store grow by so much and no more."""
    db = cast("SqliteStore", stage.store)._open()
    (pages,), (page_bytes,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
    )
    db.execute(f"PRAGMA max_page_count={pages + room_bytes // page_bytes}")


@plants(ConditionCode.STORE_NEARLY_FULL)
def test_a_store_that_is_nearly_full_is_told(stage: AlertingStage) -> None:
    stage.store.set_text("filler", "x" * 2_000_000)
    limit_room(stage, 200_000)
    stage.minutes(1)
    assert of(stage) == ["WARNING: the store is nearly full"]
    limit_room(stage, 100_000_000)
    stage.minutes(1)
    assert of(stage)[1:] == ["resolved: the store is nearly full"]


@plants(ConditionCode.STORE_FULL)
def test_a_store_that_is_full_is_told(stage: AlertingStage) -> None:
    limit_room(stage, 60_000)
    stage.minutes(1)
    assert of(stage) == ["CRITICAL: the store is full"]
    limit_room(stage, 100_000_000)
    stage.minutes(1)
    assert of(stage)[1:] == ["resolved: the store is full"]


@plants(ConditionCode.WEBHOOK_CLOSED)
def test_a_receiver_that_gets_no_events_any_more_is_told(at: Alerting) -> None:
    url = "https://crm.example.com/in"
    with at(OPS + f'[[webhook]]\nname = "crm"\nurl = "{url}"\n') as stage:
        stage.minute()
        known = endpoint_of(url, None)
        ended = known.ended(stage.clock.now, "status 410")
        stage.store.set_text(note_of("crm"), endpoint_note(ended))
        evaluate(stage.invocation())
        stage.store.set_text(note_of("crm"), endpoint_note(known))
        stage.clock.pass_ms(60_000)
        evaluate(stage.invocation())
        bodies = [one.body for one in stage.store.open_of_kind("message", limit=9)]
        assert len(bodies) == 2
        assert any("WARNING: a receiver gets no events any more" in body for body in bodies)
        assert any("resolved: a receiver gets no events any more" in body for body in bodies)


@plants(ConditionCode.STORE_EMPTIED)
def test_an_emptied_store_is_told_until_a_person_accepts_it(at: Alerting) -> None:
    with at(OPS, LIVE_RECORD_STORE_ID="cn-shanghai.dev.0000") as stage:
        stage.minute()
        stage.minutes(1)
        stage.store.accept(replaces="")
        stage.minute()
        stage.minutes(1)
        name = "the store was emptied"
        assert of(stage) == [f"CRITICAL: {name}", f"resolved: {name}"]


@plants(ConditionCode.NOT_STOPPED)
def test_a_stop_that_live_does_not_accept_is_told(stage: AlertingStage) -> None:
    stage.happens(Published(stage.clock.now))
    stage.minutes(1)
    stage.live.answers(Command.STOP, *[Throttled("Throttling", "too many")] * 99)
    stage.happens(StopAsked("ann"))
    stage.minutes(1)
    (text,) = stage.dingtalk.texts
    assert text.splitlines()[1:3] == [
        "WARNING: streams that should not be recorded any more, and are not stopped: 1",
        f"{KEY}, for 1m: Live throttled stop: the account sends more than 50 commands a second",
    ]
    stage.live.script.clear()
    stage.minute()
    stage.minutes(1)
    assert of(stage)[-1] == (
        "resolved: streams that should not be recorded any more, and are not stopped: 1"
    )


@plants(ConditionCode.UNMANAGED)
def test_recordings_of_somebody_else_are_told_once_for_their_application(at: Alerting) -> None:
    with at('[[notify]]\nsink = "ops"\nmatch = { condition = "unmanaged" }\n') as stage:
        for name in ("a", "b"):
            key = StreamKey(KEY.domain, "theirs", name)
            stage.happens(Published(stage.clock.now), key)
            stage.happens(Reported("record_started", recording=True, time=stage.clock.now), key)
        stage.minutes(3)
        (text,) = stage.dingtalk.texts
        assert text.splitlines()[1] == "INFO: applications that somebody else records: 1"
        assert f"{KEY.domain}/theirs, for 1m" in text
        for name in ("a", "b"):
            key = StreamKey(KEY.domain, "theirs", name)
            stage.happens(Reported("record_paused", recording=False, time=stage.clock.now), key)
            stage.happens(Unpublished(stage.clock.now), key)
        stage.minutes(1)


def counted_calls(
    stage: AlertingStage, run: Callable[[Invocation], object] = evaluate
) -> Counter[str]:
    """Return how often one evaluation, or another run, calls each method of the store."""
    calls = Counter[str]()
    store = stage.app.store

    class Counting:
        def __getattr__(self, name: str) -> object:
            calls[name] += 1
            return getattr(store, name)

    app = replace(stage.app, store=cast("Store", Counting()))
    run(Invocation(app, None, seconds=60))
    return calls


def test_an_evaluation_asks_the_store_as_often_however_many_streams_are_well(
    stage: AlertingStage,
) -> None:
    few = counted_calls(stage)
    for number in range(100):
        key = StreamKey(KEY.domain, "quiet", f"s{number}")
        stage.happens(Published(stage.clock.now), key)
    assert len(stage.store.listed(Filter(), after=None, limit=200)) == 100
    assert counted_calls(stage) == few
    assert stage.store.wrong(stage.clock.now + 10**9, after=None, limit=9) == []


def test_an_evaluation_reads_the_schedules_and_the_counters_once(stage: AlertingStage) -> None:
    plan(stage, stage.clock.now + 180_000)
    stage.clock.pass_ms(2 * HOUR_MS)
    stage.minute()  # it is missed, so that every condition of a schedule is looked at
    calls = counted_calls(stage)
    assert (calls["schedules"], calls["counters"]) == (1, 1)


def test_a_run_that_delivers_nothing_counts_nothing(stage: AlertingStage) -> None:
    timer = TimerEvent("every-minute", "", "")
    assert counted_calls(stage, lambda run: notify.respond(run, timer))["count"] == 0


def test_each_robot_is_told_in_its_own_way_and_language(at: Alerting) -> None:
    with at(ALL) as stage:
        stage.minute()
        lose(stage)
        stage.minutes(1)
        assert [len(robot.texts) for robot in (stage.dingtalk, stage.feishu, stage.wecom)] == [
            1
        ] * 3
        assert "严重：正在直播但没有录制的流：1" in stage.feishu.texts[0]
        assert stage.dingtalk.texts == stage.wecom.texts


def test_a_message_quotes_what_a_reader_types_and_leaves_names_as_they_are(at: Alerting) -> None:
    with at(ALL) as stage:
        stage.minute()
        lose(stage, TICKED)
        stage.minutes(1)
        (english,), (chinese,) = stage.dingtalk.texts, stage.feishu.texts
        assert "Run “live-record alerts list” to see these alerts, and “" in english
        assert "\n请运行“live-record list --wrong”：按时间" in chinese
        assert "\n运行“live-record alerts list”查看这些告警" in chinese
        for text in (english, chinese):
            assert f"\n{TICKED}" in text
            assert "`" not in text.replace(str(TICKED), "")


def test_a_robot_that_does_not_answer_is_told_later_and_holds_no_other_up(at: Alerting) -> None:
    with at(OPS) as stage:
        stage.minute()
        stage.robots.is_away = True
        lose(stage)
        stage.minutes(1)
        assert stage.dingtalk.texts == []
        stage.robots.is_away = False
        stage.minutes(1)
        assert "CRITICAL: streams that are live and not recorded: 1" in of(stage)


def test_nothing_that_is_stored_or_logged_has_a_robots_address(at: Alerting) -> None:
    with at(ALL) as stage:
        stage.robots.is_away = True
        lose(stage)
        stage.minutes(2)
        stored = stage.database.read_bytes()
        for secret in ("ding-token", "SECd1ngta1k", "hook-1", "key-1"):
            assert secret.encode() not in stored
            assert secret not in "".join(stage.lines)


def test_a_sink_that_no_setting_names_is_a_dead_letter_in_the_end(at: Alerting) -> None:
    with at('[[notify]]\nsink = "nobody"\n') as stage:
        stage.minute()
        lose(stage)
        stage.minutes(1)
        (task,) = stage.store.open_of_kind("message", limit=9)
        assert task.why == "LIVE_RECORD_ROBOTS has no robot of this name: add it there, and deploy"

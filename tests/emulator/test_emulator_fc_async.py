"""Asynchronous calls, timers and their schedules (docs/platform/function-compute.md §3)."""

import json
import re
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from emulator.fc import FcInThread
from emulator.fc.clock import Clock
from emulator.fc.schedule import parse_schedule
from tests.support.compute_emulator import TIMER, Stage, ask, eventually, settled, start_later

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_an_asynchronous_call_is_accepted_at_once_and_retried(stage: Stage) -> None:
    with stage.run(stage.function("fails_twice")) as fc:
        got = start_later(fc, "fails-twice")
        eventually(lambda: len(stage.marks()) == 3)
        eventually(lambda: ask(fc, "GET", "/_fc/state").json["functions"]["fails-twice"]
                   ["asyncPending"] == 0)  # fmt: skip

    assert (got.status, got.body) == (202, b"")
    assert stage.marks() == ["attempt-0", "attempt-1", "attempt-2"]


def test_an_asynchronous_call_is_given_up_after_its_retries(stage: Stage) -> None:
    once = {"asyncInvokeConfig": {"maxAsyncRetryAttempts": 1}}
    with stage.run(stage.function("raises", **once)) as fc:
        start_later(fc, "raises")
        state = eventually(lambda: settled(fc, "raises"))

    assert (state["invocations"], state["errors"]) == (2, 2)


def test_an_asynchronous_call_waits_while_it_is_throttled(stage: Stage) -> None:
    with stage.run(stage.function("waits"), stage.function("text"), quota=1) as fc:
        start_later(fc, "waits")
        eventually(stage.marks)
        start_later(fc, "text")
        eventually(lambda: ask(fc, "GET", "/_fc/state").json["functions"]["text"]["throttled"])
        stage.let_go()

        assert eventually(lambda: settled(fc, "text"))["errors"] == 0


def test_an_asynchronous_payload_has_a_smaller_limit(stage: Stage) -> None:
    asynchronous = [("X-Fc-Invocation-Type", "Async")]
    with stage.run(stage.function("text")) as fc:
        got = ask(fc, "POST", "/_fc/http/text", b"x" * 140_000, asynchronous)

    assert (got.status, got.json["errorCode"]) == (400, "EntityTooLarge")


def test_a_timer_sends_the_documented_event(stage: Stage) -> None:
    with stage.run(stage.function("keeps", triggers=[TIMER])) as fc:
        fired = ask(fc, "POST", "/_fc/timer/keeps", {"wait": True})

    assert [(each["trigger"], each["ok"]) for each in fired.json["fired"]] == [("minutely", True)]
    event = json.loads(stage.marks()[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("triggerTime"))
    assert event == {"triggerName": "minutely", "payload": '{"job":"x"}'}


def test_a_minute_on_the_development_clock_fires_the_timer_once(stage: Stage) -> None:
    clock = stage.folder / "clock.json"
    clock.write_text('{"offset_ms": 0}')
    with stage.run(stage.function("keeps", triggers=[TIMER]), clock_file=clock) as fc:
        clock.write_text('{"offset_ms": 61000}')
        eventually(stage.marks)
        clock.write_text('{"offset_ms": 1000000}')
        eventually(lambda: len(stage.marks()) == 2)
        assert eventually(lambda: settled(fc, "keeps"))["invocations"] == 2


def test_a_clock_that_is_set_back_starts_its_timers_anew(stage: Stage) -> None:
    clock = stage.folder / "clock.json"
    clock.write_text('{"offset_ms": 43200000}')
    with stage.run(stage.function("keeps", triggers=[TIMER]), clock_file=clock) as fc:
        clock.write_text('{"offset_ms": 0}')
        eventually(lambda: _hour(fc) == datetime.now(timezone.utc).hour)
        clock.write_text('{"offset_ms": 61000}')
        eventually(stage.marks)


def _hour(fc: FcInThread) -> int:
    return datetime.strptime(ask(fc, "GET", "/_fc/state").json["time"], "%Y-%m-%dT%H:%M:%S%z").hour


def test_a_clock_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    file.write_text('{"offset_ms": 99000000}')
    clock = Clock(file)
    for unreadable in ("", "[]", '{"offset_ms": null}'):
        file.write_text(unreadable)
        clock.refresh()

    assert clock.seconds() > time.time() + 90000


@pytest.mark.parametrize(
    ("expression", "after"),
    [
        ("@every 1h30m", "2026-01-31T10:30:30"),
        ("0 * * * * *", "2026-01-31T09:01:00"),
        ("*/20 * * * * *", "2026-01-31T09:00:40"),
        ("0 0 4 * * *", "2026-02-01T04:00:00"),
        ("CRON_TZ=Asia/Shanghai 0 0 4 * * *", "2026-01-31T20:00:00"),
        ("0 30 8-10/2 ? * MON-FRI", "2026-02-02T08:30:00"),
        ("0 0 0 1 3,JUN *", "2026-03-01T00:00:00"),
        ("0 0 0 13 * FRI", "2026-02-06T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
    ],
)
def test_a_schedule_says_when_it_fires_next(expression: str, after: str) -> None:
    moment = datetime(2026, 1, 31, 9, 0, 30, tzinfo=timezone.utc)

    assert parse_schedule(expression).after(moment).isoformat() == after + "+00:00"


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("@every 5x", "@every"),
        ("@every 0m", "@every"),
        ("* * * * *", "5 fields"),
        ("99 * * * * *", "second"),
        ("a * * * * *", "cannot be read"),
        ("*/0 * * * * *", "cannot be read"),
        ("0 0 0 30 2 *", "never fires"),
        ("CRON_TZ=Mars/Base * * * * * *", "time zone"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_named(expression: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        parse_schedule(expression)

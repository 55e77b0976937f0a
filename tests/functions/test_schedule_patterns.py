"""Schedules of patterns, from the outside: written over HTTP, whatever stream comes up is recorded,
and what people do to an occurrence holds for the streams that come later, too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions import record_command
from functions.notify.evaluating import evaluate
from functions.record_command.schedules import MAX_RULES_NUMBER
from shared.alerts.book import book_from_text
from shared.config.policy_cache import POLICY_AGE_MS
from shared.engine.schedule_planner import SchedulePlanner
from shared.protocol import Command, Reason, StreamKey
from shared.protocol.events import HOUR_MS
from shared.protocol.policy import ConditionCode
from shared.protocol.stream import REHEARSAL_PREFIX
from tests.conftest import Clock
from tests.support.scheduled_stage import DAY_MS, ENDS, MINUTE_MS, SHOW, TOKEN, ScheduledStage

pytestmark = pytest.mark.slow

SECOND_MS = 1000
PATTERN = "live.example.com/app/cam*"
PATH = "/v1/schedules/daily"
CAM1, CAM2, OTHER = (
    StreamKey("live.example.com", "app", name) for name in ("cam1", "cam2", "room")
)
BRAND = "brand-token-0000000"
ONLY = "@live.example.com/app/cam?@live.example.com/app/room*"
TOKENS = f"ops:read+control:{TOKEN},cams:read+control{ONLY}:{BRAND}"


class PatternStage(ScheduledStage):
    def show(self, **more: object) -> dict[str, Any]:
        return self.ask("PUT", PATH, **_body(**more))

    def recorded(self, key: StreamKey) -> Sequence[str]:
        return [command.value for command, each in self.listing.carried if each == key]

    def goes_on(self, key: StreamKey) -> None:
        """Let Live report that it records, so that no start is sent once more."""
        self.report("record_started", key)

    def not_live(self) -> Sequence[str]:
        evaluate(self.invocation())
        book = book_from_text(self.app.store.alerts().text)
        code = ConditionCode.SCHEDULED_NOT_LIVE.value
        return [alert.subject for alert in book.open if alert.code == code]

    def absences(self) -> Sequence[tuple[str, str]]:
        query = {"from": "72h"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        path = "/v1/report"
        answer = self.call(record_command, "GET", path, query=query, headers=headers).json
        return [
            (row["stream"], absence["occurrence"])
            for row in answer["streams"]
            for absence in row["absences"]
        ]

    def cache_ages(self) -> None:
        self.clock.pass_ms(POLICY_AGE_MS)


def _body(**more: object) -> dict[str, object]:
    times = {"start": "2025-11-22T12:00:00", "end": "2025-11-22T13:00:00", "timezone": "UTC"}
    return {"streams": [PATTERN], "rrule": "FREQ=DAILY", **times, **more}


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[PatternStage]:
    stage = PatternStage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.app.store.close()


def test_whatever_comes_up_is_recorded(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW)

    stage.publish(CAM1)
    stage.publish(OTHER)

    assert stage.recorded(CAM1) == ["start"]
    assert stage.recorded(OTHER) == []
    asking = stage.ask("GET", f"/v1/recordings/{CAM1}")["schedules"][0]
    assert (asking["schedule"], asking["until"]) == ("daily", "2025-11-22T15:00:00Z")


def test_what_is_live_when_it_begins_is_recorded_from_then_on(stage: PatternStage) -> None:
    stage.publish(CAM1)
    stage.show()
    stage.publish(CAM2)
    assert stage.sent == []

    stage.at(SHOW)

    assert stage.recorded(CAM1) == stage.recorded(CAM2) == ["start"]


def test_no_timer_has_to_run_for_it(stage: PatternStage) -> None:
    stage.show()
    stage.clock.now = SHOW + MINUTE_MS

    stage.publish(CAM1)

    assert stage.recorded(CAM1) == ["start"]


def test_a_stream_that_went_off_before_it_is_not_waited_for(stage: PatternStage) -> None:
    stage.publish(CAM1)
    stage.show()
    stage.goes_off(CAM1)
    stage.at(SHOW - 2 * MINUTE_MS).at(SHOW)

    record = stage.record(CAM1)
    assert (record.planned, record.intent.wanted) == ((), False)


def test_a_rehearsal_is_none_of_them(stage: PatternStage) -> None:
    stage.show(streams=["live.example.com/app/*"])
    rehearsal = StreamKey("live.example.com", "app", f"{REHEARSAL_PREFIX}1")
    stage.publish(rehearsal)
    stage.at(SHOW)

    stage.ask("POST", f"{PATH}/trigger")

    assert stage.record(rehearsal).begun == ()
    assert stage.show(streams=["live.example.com/app/*"])["known"]["count"] == 0


def test_it_ends_as_any_other(stage: PatternStage) -> None:
    stage.show(overrun="none")
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)

    stage.at(ENDS)
    assert stage.recorded(CAM1)[-1] == "stop"
    stage.publish(CAM2)
    assert stage.recorded(CAM2) == []

    stage.at(SHOW + DAY_MS - MINUTE_MS).at(SHOW + DAY_MS)
    assert stage.recorded(CAM1)[-1] == "start"
    assert set(stage.recorded(CAM2)) == {"start"}


def test_a_stop_is_about_one_stream_and_one_occurrence(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)

    stage.ask("POST", f"/v1/recordings/{CAM1}/stop")
    stage.goes_off(CAM1)
    stage.at(SHOW + 5 * MINUTE_MS).at(SHOW + 6 * MINUTE_MS).publish(CAM1)
    stage.publish(CAM2)

    assert stage.recorded(CAM1) == ["start", "stop"]
    assert stage.recorded(CAM2) == ["start"]


def test_a_skip_holds_for_those_that_come_later(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)

    stage.ask("POST", f"{PATH}/skip")
    stage.minute()
    stage.cache_ages()
    stage.publish(CAM2)

    assert stage.recorded(CAM1) == ["start", "stop"]
    assert stage.recorded(CAM2) == []
    stage.at(SHOW + DAY_MS)
    assert set(stage.recorded(CAM2)) == {"start"}


def test_so_does_one_before_it_begins(stage: PatternStage) -> None:
    stage.show()
    stage.publish(CAM1)

    stage.ask("POST", f"{PATH}/skip")
    stage.at(SHOW).publish(CAM2)

    assert stage.sent == []


def test_one_that_took_it_up_after_the_skip_is_ended(stage: PatternStage) -> None:
    """An instance may not know of the skip yet."""
    stage.show()
    stage.at(SHOW)
    stage.app.policies.policy()
    stage.ask("POST", f"{PATH}/skip")
    stage.publish(CAM1)
    assert stage.recorded(CAM1) == ["start"]

    stage.at(stage.clock.now + 3 * MINUTE_MS)

    assert stage.recorded(CAM1)[-1] == "stop"


def test_so_is_one_that_took_it_up_shortly_before_it_begins(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW - 100 * SECOND_MS)
    stage.app.policies.policy()
    stage.ask("POST", f"{PATH}/skip")
    stage.publish(CAM1)
    assert [one.id for one in stage.record(CAM1).planned] == ["daily@2025-11-22T12:00:00"]

    stage.at(SHOW).at(SHOW + MINUTE_MS)

    assert not stage.record(CAM1).intent.wanted
    assert "start" not in stage.recorded(CAM1)[-1:]


@pytest.mark.parametrize(("method", "path"), [("POST", f"{PATH}/pause"), ("DELETE", PATH)])
def test_one_that_took_up_what_was_paused_or_deleted_in_time_is_ended(
    stage: PatternStage, method: str, path: str
) -> None:
    """An instance may not know of it yet, and the occurrence may begin before all know."""
    stage.show()
    stage.at(SHOW - 100 * SECOND_MS)
    stage.app.policies.policy()
    stage.ask(method, path)
    stage.publish(CAM1)
    stage.at(SHOW)
    assert stage.record(CAM1).intent.wanted

    stage.at(SHOW + MINUTE_MS)

    assert stage.record(CAM1).intent.reason is Reason.SCHEDULE_CANCELLED
    assert stage.recorded(CAM1)[-1] == "stop"


def test_so_is_one_whose_paused_schedule_was_written_again_since(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW - 100 * SECOND_MS)
    stage.app.policies.policy()
    stage.ask("POST", f"{PATH}/pause")
    stage.show(title="daily")
    stage.publish(CAM1)
    stage.at(SHOW)
    assert stage.record(CAM1).intent.wanted

    stage.at(SHOW + MINUTE_MS)

    assert stage.recorded(CAM1)[-1] == "stop"


def test_one_that_is_resumed_in_time_goes_on(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW - 100 * SECOND_MS)
    stage.app.policies.policy()
    stage.ask("POST", f"{PATH}/pause")
    stage.publish(CAM1)
    stage.at(SHOW).ask("POST", f"{PATH}/resume")

    stage.at(SHOW + MINUTE_MS).at(SHOW + 4 * MINUTE_MS)

    assert set(stage.recorded(CAM1)) == {"start"}
    assert stage.record(CAM1).intent.wanted


def test_what_is_under_way_goes_on_though_its_schedule_was_paused_since(
    stage: PatternStage,
) -> None:
    stage.show()
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)

    stage.ask("POST", f"{PATH}/pause")
    stage.at(SHOW + 3 * MINUTE_MS)

    assert stage.recorded(CAM1) == ["start"]


def test_the_history_names_the_person_who_skipped_it(stage: PatternStage) -> None:
    """Also where the stream came up after the skip, on an instance that did not know of it."""
    stage.show()
    stage.at(SHOW)
    stage.app.policies.policy()
    stage.ask("POST", f"{PATH}/skip", note="rained off")
    stage.publish(CAM1)

    stage.at(stage.clock.now + 3 * MINUTE_MS)

    lines = stage.ask("GET", f"/v1/recordings/{CAM1}/history")["history"]
    (skipped,) = (line["about"] for line in lines if line["code"] == "schedule_skipped")
    assert (skipped["who"], skipped["note"]) == ("ops", "rained off")


def test_a_skip_that_is_taken_back_is_none(stage: PatternStage) -> None:
    stage.show()
    stage.at(SHOW - 10 * MINUTE_MS).publish(CAM1)

    stage.ask("POST", f"{PATH}/skip")
    stage.show()
    stage.cache_ages()
    stage.publish(CAM2)
    stage.at(SHOW)

    assert stage.recorded(CAM1) == stage.recorded(CAM2) == ["start"]


def test_it_can_be_triggered(stage: PatternStage) -> None:
    stage.show()
    stage.publish(CAM1)

    got = stage.ask("POST", f"{PATH}/trigger", lasts="30m")
    stage.minute()
    stage.cache_ages()
    stage.publish(CAM2)

    assert (got["streams"], got["changed"]) == (1, 1)
    assert stage.recorded(CAM1) == stage.recorded(CAM2) == ["start"]


def test_an_extension_holds_for_all(stage: PatternStage) -> None:
    stage.show(overrun="none")
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)

    stage.ask("POST", f"{PATH}/extend", by="30m")
    stage.at(ENDS + MINUTE_MS).publish(CAM2)
    assert stage.recorded(CAM1) == stage.recorded(CAM2) == ["start"]
    stage.goes_on(CAM2)

    stage.at(ENDS + 30 * MINUTE_MS)
    assert stage.recorded(CAM1)[-1] == stage.recorded(CAM2)[-1] == "stop"


def test_what_is_over_for_all_is_not_extended(stage: PatternStage) -> None:
    stage.show()
    stage.at(ENDS + MINUTE_MS)

    got = stage.tried("POST", f"{PATH}/extend", {"by": "9m"})

    assert (got.status, got.json["code"]) == (409, "WrongState")


@pytest.mark.parametrize("change", ["skip", "extend"])
def test_the_timer_changes_the_streams_that_there_was_no_time_for(
    stage: PatternStage, change: str
) -> None:
    """A request about thousands of streams must not end before it has stored the change."""
    stage.show()
    stage.at(SHOW)
    for key in (CAM1, CAM2):
        stage.publish(key)
        stage.goes_on(key)
    app = stage.app
    stage.app = replace(app, monotonic=count(0, 60).__next__)

    body = {"by": "30m"} if change == "extend" else {}
    answer = stage.ask("POST", f"{PATH}/{change}", **body)
    assert (answer["streams"], answer["changed"], answer["pending"]) == (2, 0, 2)

    stage.app = app
    stage.at(stage.clock.now + MINUTE_MS)
    ends_at = ENDS + 30 * MINUTE_MS if change == "extend" else None
    assert {stage.record(key).intent.overrun_at for key in (CAM1, CAM2)} == {ends_at}


def test_the_timer_begins_what_was_triggered_where_there_was_no_time(stage: PatternStage) -> None:
    stage.show()
    stage.publish(CAM1)
    app = stage.app
    stage.app = replace(app, monotonic=count(0, 60).__next__)

    assert stage.ask("POST", f"{PATH}/trigger")["pending"] == 1

    stage.app = app
    stage.minute()
    assert stage.recorded(CAM1) == ["start"]


def test_a_pause_and_a_deletion_leave_alone_what_is_under_way(stage: PatternStage) -> None:
    stage.show(overrun="none")
    stage.at(SHOW)
    stage.ask("POST", f"{PATH}/pause")
    stage.cache_ages()
    stage.publish(CAM1)
    stage.ask("DELETE", PATH)
    stage.cache_ages()
    stage.publish(CAM2)
    assert stage.recorded(CAM1) == stage.recorded(CAM2) == ["start"]

    stage.at(ENDS).at(ENDS + 3 * MINUTE_MS)

    assert stage.app.store.schedules() == {}
    assert stage.app.store.in_force().temporary == {}
    stage.at(SHOW + DAY_MS).publish(OTHER)
    assert stage.recorded(CAM1)[-1] == "stop"


def test_another_pattern_holds_from_the_next_occurrence_on(stage: PatternStage) -> None:
    stage.publish(CAM1)
    stage.show()
    stage.show(streams=["live.example.com/app/room*"])
    stage.publish(OTHER)

    stage.at(SHOW)

    assert stage.recorded(CAM1) == []
    assert stage.recorded(OTHER) == ["start"]


def test_names_may_take_the_place_of_a_pattern(stage: PatternStage) -> None:
    stage.publish(CAM1)
    stage.publish(CAM2)
    stage.show()
    stage.show(streams=[str(CAM1)])

    stage.at(SHOW)

    assert stage.recorded(CAM1) == ["start"]
    assert stage.recorded(CAM2) == []


def test_a_recording_that_a_person_wants_goes_on_after_it(stage: PatternStage) -> None:
    stage.show(overrun="none")
    stage.publish(CAM1)
    stage.ask("POST", f"/v1/recordings/{CAM1}/start")
    stage.goes_on(CAM1)

    stage.at(SHOW).at(ENDS).at(ENDS + HOUR_MS)

    assert Command.STOP.value not in stage.recorded(CAM1)


# --- what people are told ------------------------------------------------------------------------


def test_people_are_told_once_that_none_is_live(stage: PatternStage) -> None:
    stage.show(late_after="5m")
    stage.at(SHOW + 4 * MINUTE_MS)
    assert stage.not_live() == []

    stage.at(SHOW + 5 * MINUTE_MS)
    assert stage.not_live() == [PATTERN]

    stage.publish(CAM1)
    stage.publish(CAM2)
    assert stage.not_live() == []


def test_nor_are_they_while_one_of_several_is(stage: PatternStage) -> None:
    stage.show(late_after="5m")
    stage.at(SHOW).publish(CAM1)
    stage.publish(CAM2)
    stage.goes_off(CAM1)
    stage.at(SHOW + 9 * MINUTE_MS).at(SHOW + 10 * MINUTE_MS)
    assert stage.not_live() == []

    off_at = stage.clock.now
    stage.goes_off(CAM2)
    stage.at(off_at + 4 * MINUTE_MS)
    assert stage.not_live() == []
    stage.at(off_at + 10 * MINUTE_MS)
    assert stage.not_live() == [PATTERN]


def test_one_that_none_came_for_is_one_row_of_the_report(stage: PatternStage) -> None:
    stage.show(overrun="none")
    stage.at(SHOW).at(ENDS).at(ENDS + MINUTE_MS)

    assert stage.absences() == [(PATTERN, "daily@2025-11-22T12:00:00")]
    assert stage.ask("GET", "/v1/recordings")["recordings"] == []

    stage.at(SHOW + DAY_MS).publish(CAM1)
    stage.goes_on(CAM1)
    stage.at(ENDS + DAY_MS).at(ENDS + DAY_MS + MINUTE_MS)
    assert stage.absences() == [(PATTERN, "daily@2025-11-22T12:00:00")]


def test_a_run_without_time_leaves_that_to_the_next_one(stage: PatternStage) -> None:
    stage.show(overrun="1h")
    stage.at(SHOW)
    stage.clock.now = ENDS
    app, (text,) = stage.app, stage.app.store.schedules().values()
    options: Any = {"may_go_on": lambda: False, "report": None}

    SchedulePlanner(app.store, app.recorder, lambda _: None, **options).plan("daily", text)
    assert stage.absences() == []
    stage.at(ENDS + MINUTE_MS)

    assert stage.absences() == [(PATTERN, "daily@2025-11-22T12:00:00")]


def test_a_rehearsal_is_demanded_of_its_application(stage: PatternStage) -> None:
    stage.show(rehearsed_within="1d")
    stage.at(SHOW - HOUR_MS)

    evaluate(stage.invocation())

    alerts = book_from_text(stage.app.store.alerts().text).open
    assert [(alert.code, alert.subject) for alert in alerts] == [
        ("not_rehearsed", "live.example.com/app")
    ]


# --- writing -------------------------------------------------------------------------------------


def test_the_answer_names_the_streams_that_it_fits_now(stage: PatternStage) -> None:
    assert stage.show()["known"] == {"count": 0, "streams": []}
    for key in (CAM1, CAM2, OTHER):
        stage.publish(key)

    answer = stage.show()

    assert answer["known"] == {"count": 2, "streams": [str(CAM1), str(CAM2)]}
    assert answer["load"]["text"] == "2 starts take less than 1 s at 12:00 (UTC)"
    assert answer["expect"] == "any"
    assert stage.show(streams=[str(CAM1)])["known"] is None


def test_a_stream_that_several_patterns_fit_is_counted_once(stage: PatternStage) -> None:
    """Each pattern of an application read all its streams again: 250 of them, 250 times."""
    for key in (CAM1, CAM2, OTHER):
        stage.publish(key)

    known = stage.show(streams=[PATTERN, "live.example.com/app/*"])["known"]
    assert known == {"count": 3, "streams": [str(CAM1), str(CAM2), str(OTHER)]}


def test_what_a_pattern_fits_is_looked_for_as_long_as_there_is_time(stage: PatternStage) -> None:
    """A pattern that fits none of many streams would have all of them read, for each schedule of
    that minute."""
    for key in (CAM1, CAM2):
        stage.publish(key)
    stage.app = replace(stage.app, monotonic=count(0, 60).__next__)

    answer = stage.show()
    assert answer["known"] == {"count": 0, "streams": []}
    assert answer["streams"] == [PATTERN]


def test_patterns_are_not_so_many_that_callbacks_wait_for_them(stage: PatternStage) -> None:
    """Each instance reads all of them every ten seconds: 40,000 cost each callback 90 ms of CPU
    then, and a bound token could write more."""
    few, many = ([f"live.example.com/app/c{n}*" for n in range(number)] for number in (250, 251))
    for number in range(8):
        assert stage.tried("PUT", f"/v1/schedules/s{number}", _body(streams=few)).status == 200

    got = stage.tried("PUT", "/v1/schedules/one-more", _body(), TOKEN)
    assert (got.status, "2000 patterns" in got.json["detail"]) == (409, True)
    assert stage.tried("PUT", "/v1/schedules/s0", _body(streams=many)).status == 409
    assert stage.tried("PUT", "/v1/schedules/s0", _body(streams=[PATTERN])).status == 200


def test_not_without_limit_is_one_triggered(stage: PatternStage) -> None:
    """Each has all patterns of the schedule, and each instance reads them."""
    stage.show()
    for _ in range(MAX_RULES_NUMBER):
        stage.ask("POST", f"{PATH}/trigger", lasts="1m")
        stage.clock.pass_ms(SECOND_MS)

    got = stage.tried("POST", f"{PATH}/trigger", {"lasts": "1m"})

    assert (got.status, "50 occurrences under way" in got.json["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("field", "change", "sentence"),
    [
        ("streams", {"streams": ["live.example.com/*/cam*"]}, "write no wildcard but `*`"),
        ("streams", {"streams": ["live.example.com/app/cam?"]}, "write no wildcard but `*`"),
        ("streams", {"streams": [PATTERN, str(OTHER)]}, "write only names or only patterns"),
        (
            "streams",
            {"streams": ["live.example.com/app/cam%2A", str(OTHER)]},
            "only names or only patterns",
        ),
        ("expect", {"expect": "all"}, "write `any`"),
    ],
)
def test_what_a_pattern_cannot_say_is_refused(
    stage: PatternStage, field: str, change: dict[str, object], sentence: str
) -> None:
    (fault,) = stage.tried("PUT", PATH, _body(**change)).json["errors"]

    assert fault["field"] == field
    assert sentence in fault["detail"]


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("live.example.com/app/cam*", 403),
        ("live.example.com/app/room*", 200),
        ("live.example.com/app/room-b*", 200),
        ("live.example.com/app/*", 403),
        ("live.example.com/other/room*", 403),
    ],
)
def test_a_bound_token_writes_patterns_within_its_own(
    stage: PatternStage, pattern: str, status: int
) -> None:
    got = stage.tried("PUT", PATH, _body(streams=[pattern]), BRAND)
    assert got.status == status, got.json

    stage.show()
    assert stage.tried("GET", PATH, {}, BRAND).status == 404


def test_a_bound_token_ends_nothing_that_goes_on_by_an_earlier_pattern(stage: PatternStage) -> None:
    stage.show(streams=["live.example.com/app/*"])
    stage.at(SHOW).publish(CAM1)
    stage.goes_on(CAM1)
    stage.show(streams=["live.example.com/app/room*"])

    assert stage.tried("POST", f"{PATH}/skip", {}, BRAND).status == 404
    stage.minute()
    stage.cache_ages()
    stage.goes_on(CAM1)
    assert stage.recorded(CAM1) == ["start"]

    stage.at(SHOW + DAY_MS)
    assert stage.tried("POST", f"{PATH}/skip", {}, BRAND).status == 200


@pytest.mark.parametrize("rules", ['[{"of": "tomorrow"}]', '[{"of": ' + "[" * 99_999])
def test_rules_of_a_later_release_are_left_out(
    stage: PatternStage, capsys: pytest.CaptureFixture[str], rules: str
) -> None:
    stage.show()
    stage.app.store.put_schedule("later", "{}", None, replaces=None, rules=rules)
    stage.at(SHOW).publish(CAM1)

    assert stage.recorded(CAM1) == ["start"]
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert {line["schedule"] for line in lines if line["event"] == "schedule.refused"} == {"later"}
    problems = stage.ask("GET", "/v1/health")["problems"]
    assert "schedules_unplanned" in [problem["code"] for problem in problems]

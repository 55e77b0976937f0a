"""Schedules over HTTP: written with a preview, listed, paused, skipped, triggered and extended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.engine.schedule_planner import SchedulePlanner
from shared.protocol import Reason, StreamKey, TimePassed
from shared.protocol.durations import instant
from shared.protocol.events import HOUR_MS
from shared.protocol.state.intent import Requester
from tests.conftest import KEY, Clock
from tests.support.scripted_stage import ENVIRONMENT, Got, Stage

TUESDAYS = "/v1/schedules/tuesdays"
TUESDAY = instant("2025-11-25T11:00:00Z")
"""19:00 in Shanghai, three days after the clock of these tests."""
OTHER = StreamKey("live.example.com", "app", "room2")
TOKENS = f"{ENVIRONMENT['LIVE_RECORD_API_TOKENS']},brand:read+control@*/brand/*:brand-token"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


def body(**more: object) -> dict[str, object]:
    return {
        "streams": [str(KEY)],
        "start": "2025-11-25T19:00:00",
        "end": "2025-11-25T21:00:00",
        "timezone": "Asia/Shanghai",
        "rrule": "FREQ=WEEKLY;BYDAY=TU",
        **more,
    }


def put(stage: Stage, path: str = TUESDAYS, *, token: str = "ops-token", **more: object) -> Got:  # noqa: S107 - a made-up one
    return stage.ask("PUT", path, body(**more), token=token)


def to(stage: Stage, at: int) -> None:
    """Let the clock come to a time, and the timer's reconcile run."""
    stage.clock.now = at
    call = stage.call()
    call.tend_schedules()
    for key in (KEY, OTHER):
        stage.happens(TimePassed(), key)


def faults(got: Got) -> Mapping[str, str]:
    assert got.status == 400, got.json
    return {fault["field"]: fault["detail"] for fault in got.json["errors"]}


def wanted(stage: Stage, key: StreamKey = KEY) -> bool:
    return stage.store.load(key).record.intent.wanted


# --- writing -------------------------------------------------------------------------------------


def test_the_answer_shows_what_comes_and_what_it_needs(stage: Stage) -> None:
    got = put(stage, streams=[str(KEY), str(OTHER)], pre_roll="1m", title="Show")

    assert got.status == 200
    first = got.json["next"][0]
    assert (first["id"], first["starts_at"]) == (
        "tuesdays@2025-11-25T19:00:00",
        "2025-11-25T11:00:00Z",
    )
    assert (first["begins_at"], first["ends_at"], first["until"]) == (
        "2025-11-25T10:59:00Z",
        "2025-11-25T13:00:00Z",
        "2025-11-25T15:00:00Z",
    )
    assert len(got.json["next"]) == 5
    assert got.json["load"]["text"] == "2 starts take less than 1 s at 18:59 (Asia/Shanghai)"
    assert (got.json["made_by"], got.json["overrun"], got.json["post_roll"]) == (
        "ops",
        "2h",
        "none",
    )


def test_what_others_begin_in_that_minute_counts(stage: Stage) -> None:
    streams = [f"live.example.com/app/s{number}" for number in range(90)]
    put(stage, "/v1/schedules/many", streams=streams)

    load = put(stage).json["load"]

    assert (load["starts"], load["take_s"]) == (91, 2.0)
    assert load["text"] == "91 starts take 2 s at 19:00 (Asia/Shanghai)"


def test_every_fault_is_named_at_once(stage: Stage) -> None:
    found = faults(
        put(
            stage,
            streams="room1",
            start="soon",
            timezone="Mars",
            rrule="FREQ=SECONDLY",
            pre_roll="5",
            exdates=["never"],
        )
    )

    assert set(found) == {"streams", "start", "timezone", "rrule", "pre_roll", "exdates"}


def test_each_stream_that_makes_no_sense_is_named(stage: Stage) -> None:
    got = put(stage, streams=["live.example.com/app", str(KEY), "live.example.com/a?/b"])

    assert [fault["detail"] for fault in got.json["errors"]] == [
        "live.example.com/app: write each stream as `domain/app/stream`",
        "live.example.com/a?/b: write no wildcard but `*` in the last part: `domain/app/camera*`",
    ]


def test_so_is_what_does_not_fit_together(stage: Stage) -> None:
    streams = ["nowhere.example.com/app/a", "live.example.com/app/", str(KEY)]
    got = put(
        stage,
        "/v1/schedules/Tuesday%20Show",
        streams=streams,
        start="2025-11-26T19:00:00",
        rrule="FREQ=WEEKLY;BYDAY=XX",
        overrun="long",
        colour="red",
    )

    assert got.status == 400
    assert [fault["field"] for fault in got.json["errors"]] == [
        "overrun",
        "id",
        "streams",
        "streams",
        "end",
        "rrule",
        "colour",
    ]


def test_an_occurrence_lasts_no_longer_than_a_recording_may(stage: Stage) -> None:
    got = put(stage, end="2025-11-26T19:00:00", pre_roll="5")

    assert set(faults(got)) == {"end", "pre_roll"}
    assert "but this stage records for at most 12h" in got.json["detail"]


def test_it_says_how_late_a_stream_may_be(stage: Stage) -> None:
    assert put(stage).json["late_after"] == "2m"
    assert put(stage, late_after="300s").json["late_after"] == "5m"
    assert set(faults(put(stage, late_after="none"))) == {"late_after"}


def test_it_says_which_streams_it_expects(stage: Stage) -> None:
    assert put(stage).json["expect"] == "all"
    assert put(stage, expect="any").json["expect"] == "any"
    assert set(faults(put(stage, expect="some"))) == {"expect"}


def test_it_says_what_is_enough_of_an_occurrence(stage: Stage) -> None:
    assert put(stage).json["coverage_target"] is None
    assert put(stage, coverage_target=99).json["coverage_target"] == 99
    assert put(stage, coverage_target=None).json["coverage_target"] is None
    for wrong in (101, -1, True, "99"):
        assert set(faults(put(stage, coverage_target=wrong))) == {"coverage_target"}


def test_a_wildcard_stands_in_a_name_alone(stage: Stage) -> None:
    assert "wildcard" in faults(put(stage, streams=["live.example.com/*/room1"]))["streams"]


def test_an_id_has_a_form(stage: Stage) -> None:
    assert "id" in faults(put(stage, "/v1/schedules/Tuesday%20Show"))


def test_a_schedule_is_listed_shown_and_deleted(stage: Stage) -> None:
    put(stage)
    listed = stage.ask("GET", "/v1/schedules").json["schedules"]
    assert [(one["id"], len(one["next"]), one["load"]) for one in listed] == [("tuesdays", 1, None)]
    assert stage.ask("GET", TUESDAYS).json["rrule"] == "FREQ=WEEKLY;BYDAY=TU"
    assert len(stage.ask("GET", f"{TUESDAYS}/next", query={"n": "3"}).json["next"]) == 3

    assert stage.ask("DELETE", TUESDAYS).json == {"id": "tuesdays"}

    assert stage.ask("GET", TUESDAYS).status == 404
    assert stage.ask("DELETE", TUESDAYS).status == 404
    assert stage.ask("GET", "/v1/schedules").json["schedules"] == []
    to(stage, TUESDAY)
    assert not wanted(stage)
    assert stage.store.schedules() == {}


def test_a_token_that_is_bound_reaches_its_own_alone(stage: Stage) -> None:
    put(stage)
    assert put(stage, "/v1/schedules/theirs", token="brand-token").status == 403
    assert put(stage, token="brand-token", streams=["live.example.com/brand/a"]).status == 403
    assert stage.ask("GET", TUESDAYS, token="brand-token").status == 404
    assert stage.ask("POST", f"{TUESDAYS}/skip", {}, token="brand-token").status == 404

    own = put(stage, "/v1/schedules/own", token="brand-token", streams=["live.example.com/brand/a"])

    assert own.status == 200
    listed = stage.ask("GET", "/v1/schedules", token="brand-token").json["schedules"]
    assert [one["id"] for one in listed] == ["own"]
    assert stage.ask("PUT", TUESDAYS, body(), token="eye-token").status == 403


# --- what it does --------------------------------------------------------------------------------


def test_it_is_planned_two_days_ahead_and_begins_at_its_second(stage: Stage) -> None:
    put(stage)
    assert stage.store.load(KEY).record.planned == ()

    to(stage, TUESDAY - 47 * HOUR_MS)
    assert [one.starts_at for one in stage.store.load(KEY).record.planned] == [TUESDAY]
    assert not wanted(stage)

    to(stage, TUESDAY)
    assert wanted(stage)
    assert stage.store.load(KEY).record.intent.requester is Requester.SCHEDULE


@pytest.mark.parametrize("written", ["room 1", "room%201"])
def test_a_stream_is_planned_whose_name_is_shown_encoded(stage: Stage, written: str) -> None:
    stage.clock.now = TUESDAY - HOUR_MS
    got = put(stage, streams=[f"live.example.com/app/{written}"])

    key = StreamKey("live.example.com", "app", "room 1")
    assert got.json["streams"] == [str(key)] == ["live.example.com/app/room%201"]
    assert stage.store.load(key).record.planned


def test_one_that_is_under_way_begins_as_it_is_written(stage: Stage) -> None:
    stage.clock.now = TUESDAY + HOUR_MS
    put(stage)

    assert wanted(stage)
    assert stage.status().json["schedules"][0] == {
        "schedule": "tuesdays",
        "occurrence": "tuesdays@2025-11-25T19:00:00",
        "begun": True,
        "starts_at": "2025-11-25T11:00:00Z",
        "ends_at": "2025-11-25T13:00:00Z",
        "until": "2025-11-25T15:00:00Z",
        "barred": False,
    }


@pytest.mark.slow
def test_the_list_of_all_schedules_fits_into_an_answer(stage: Stage) -> None:
    """Function Compute hands on no answer above 32 MB: without a limit, a token for some streams
    could write schedules until nobody's list was answered."""
    long = [f"live.example.com/app/{'x' * 90}{n}" for n in range(120)]
    statuses = [put(stage, f"/v1/schedules/s{n}", streams=long).status for n in range(112)]

    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 409}
    assert len(json.dumps(stage.ask("GET", "/v1/schedules").json)) < 4_000_000
    assert stage.ask("DELETE", "/v1/schedules/s0").status == 200


def test_a_change_replaces_what_is_to_come(stage: Stage) -> None:
    stage.clock.now = TUESDAY - HOUR_MS
    put(stage)

    put(stage, streams=[str(OTHER)], start="2025-11-25T20:00:00", end="2025-11-25T21:00:00")
    to(stage, TUESDAY)
    assert (wanted(stage), wanted(stage, OTHER)) == (False, False)

    to(stage, TUESDAY + HOUR_MS)
    assert (wanted(stage), wanted(stage, OTHER)) == (False, True)


@pytest.mark.parametrize("streams", [(), (OTHER,)])
def test_what_a_run_plans_that_knows_no_change_yet_is_taken_out_again(
    stage: Stage, streams: Sequence[StreamKey]
) -> None:
    stage.clock.now = TUESDAY - HOUR_MS
    put(stage)
    before = stage.store.schedules()["tuesdays"]
    if streams:
        put(stage, streams=list(map(str, streams)))
    else:
        stage.ask("DELETE", TUESDAYS)

    planner(stage).plan("tuesdays", before)
    to(stage, stage.clock.now + 2 * 60_000)

    assert stage.store.load(KEY).record.planned == ()
    to(stage, TUESDAY)
    assert (wanted(stage), wanted(stage, OTHER)) == (False, bool(streams))


def test_what_was_recorded_is_not_missed_though_a_clock_that_was_ahead_forgot_it(
    stage: Stage,
) -> None:
    put(stage)
    to(stage, TUESDAY)
    to(stage, TUESDAY + 6 * HOUR_MS)
    assert stage.store.load(KEY).record.begun == ()

    stage.clock.now = TUESDAY + 3 * HOUR_MS  # it is over, and may run over
    put(stage, title="Show")

    history = stage.ask("GET", f"/v1/recordings/{KEY}/history").json["history"]
    assert "schedule_missed" not in [line["code"] for line in history]


def test_a_paused_schedule_begins_nothing(stage: Stage) -> None:
    stage.clock.now = TUESDAY - HOUR_MS
    put(stage)
    assert stage.ask("POST", f"{TUESDAYS}/pause", {}).json["paused"]
    assert put(stage).json["paused"]

    to(stage, TUESDAY)
    assert not wanted(stage)

    assert not stage.ask("POST", f"{TUESDAYS}/resume", {}).json["paused"]
    assert wanted(stage)


def test_it_says_who_has_paused_it_and_why_until_it_is_resumed(stage: Stage) -> None:
    put(stage)
    paused = stage.ask("POST", f"{TUESDAYS}/pause", {"note": "stage closed"}).json
    again = put(stage).json
    for one in (paused, again):
        assert (one["paused_by"], one["pause_note"]) == (again["made_by"], "stage closed")

    resumed = stage.ask("POST", f"{TUESDAYS}/resume", {"note": "open again"}).json

    assert (resumed["paused_by"], resumed["pause_note"]) == ("", "")
    for done, note in (("paused", "stage closed"), ("resumed", "open again")):
        (line,) = (line for line in stage.lines if f"schedules.{done}" in line)
        assert note in line
    assert put(stage, paused=True).json["paused_by"] == again["made_by"]


def test_a_schedule_can_be_written_paused(stage: Stage) -> None:
    stage.clock.now = TUESDAY + 1000

    assert put(stage, paused=True).json["paused"]
    assert not wanted(stage)
    assert put(stage).json["paused"]
    assert not put(stage, paused=False).json["paused"]
    assert wanted(stage)


def test_the_next_occurrence_can_be_skipped(stage: Stage) -> None:
    put(stage)
    skipped = stage.ask("POST", f"{TUESDAYS}/skip", {})
    assert skipped.json["occurrence"]["id"] == "tuesdays@2025-11-25T19:00:00"

    upcoming = stage.ask("GET", TUESDAYS).json
    assert upcoming["exdates"] == ["2025-11-25T19:00:00"]
    assert upcoming["next"][0]["starts_at"] == "2025-12-02T11:00:00Z"
    to(stage, TUESDAY)
    assert not wanted(stage)


def test_a_skip_is_taken_back_by_a_schedule_that_excludes_it_no_more(stage: Stage) -> None:
    put(stage)
    to(stage, TUESDAY - 24 * HOUR_MS)
    assert stage.ask("POST", f"{TUESDAYS}/skip", {}).json["changed"] == 1

    written = put(stage)

    assert written.json["next"][0]["id"] == "tuesdays@2025-11-25T19:00:00"
    to(stage, TUESDAY)
    assert wanted(stage)


def test_skipping_the_one_under_way_ends_it(stage: Stage) -> None:
    stage.clock.now = TUESDAY + 1000
    put(stage)

    stage.ask("POST", f"{TUESDAYS}/skip", {})

    assert stage.store.load(KEY).record.intent.reason is Reason.SCHEDULE_SKIPPED
    assert stage.ask("POST", f"{TUESDAYS}/skip", {"occurrence": "no"}).status == 404


@pytest.mark.parametrize("is_under_way", [True, False])
def test_a_note_on_a_skip_is_kept_in_the_history_of_the_stream(
    stage: Stage, is_under_way: bool
) -> None:
    stage.clock.now = TUESDAY + (1000 if is_under_way else -HOUR_MS)
    put(stage)

    stage.ask("POST", f"{TUESDAYS}/skip", {"note": "rained off"})

    history = stage.ask("GET", f"/v1/recordings/{KEY}/history").json["history"]
    (skipped,) = [line for line in history if line["code"] == "schedule_skipped"]
    assert skipped["about"]["note"] == "rained off"


def test_an_occurrence_can_be_triggered_and_extended(stage: Stage) -> None:
    put(stage)
    assert stage.ask("POST", f"{TUESDAYS}/extend", {"by": "1h"}).status == 409

    triggered = stage.ask("POST", f"{TUESDAYS}/trigger", {"lasts": "30m"}).json
    assert wanted(stage)
    longer = stage.ask("POST", f"{TUESDAYS}/extend", {"by": "1h"}).json

    ends = [instant(one["occurrence"]["ends_at"]) for one in (triggered, longer)]
    assert ends == [stage.clock.now // 1000 * 1000 + 30 * 60_000, ends[0] + HOUR_MS]
    for path, field in (("extend", {"by": "11h"}), ("trigger", {"lasts": "13h"})):
        refused = stage.ask("POST", f"{TUESDAYS}/{path}", field)
        assert list(faults(refused).values()) == [
            "is longer than a recording of this stage may last: at most 12h"
        ]
        assert "LIVE_RECORD_MAX_DURATION" in refused.json["hint"]


@pytest.mark.parametrize(
    ("change", "body", "code"),
    [("trigger", {}, "schedule_records"), ("extend", {"by": "1h"}, "schedule_moved")],
)
def test_a_note_on_what_is_triggered_or_extended_is_kept_in_the_history(
    stage: Stage, change: str, body: Mapping[str, object], code: str
) -> None:
    made_by = put(stage).json["made_by"]
    if change == "extend":
        stage.ask("POST", f"{TUESDAYS}/trigger", {})

    stage.ask("POST", f"{TUESDAYS}/{change}", {**body, "note": "encore"})

    history = stage.ask("GET", f"/v1/recordings/{KEY}/history").json["history"]
    (about,) = (line["about"] for line in history if line["code"] == code)
    assert (about["who"], about["note"]) == (made_by, "encore")
    assert any("encore" in line for line in stage.lines if f"schedules.{change}" in line)


def test_what_a_person_stopped_is_not_extended(stage: Stage) -> None:
    stage.clock.now = TUESDAY
    put(stage)
    stage.stop({})

    assert stage.ask("POST", f"{TUESDAYS}/extend", {"by": "1h"}).status == 409


# --- rolling over --------------------------------------------------------------------------------


def test_a_minute_without_anything_due_reads_no_schedule(stage: Stage) -> None:
    put(stage)

    assert stage.store.due_schedules(9) == {}
    assert stage.call().tend_schedules() == 0


def test_a_run_stays_for_the_occurrence_that_is_about_to_begin(stage: Stage) -> None:
    put(stage)
    to(stage, TUESDAY - HOUR_MS)
    stage.clock.now = TUESDAY - 60_000
    waited: list[int] = []

    def wait(seconds: float) -> None:
        waited.append(stage.clock.now)
        stage.clock.pass_ms(round(seconds * 1000))

    planner(stage).tend(wait)

    assert (stage.clock.now, len(waited)) == (TUESDAY, 120)
    assert stage.store.due_schedules(9) == {}


def test_who_stays_and_is_killed_leaves_it_to_the_next(stage: Stage) -> None:
    put(stage)
    to(stage, TUESDAY - HOUR_MS)
    stage.clock.now = TUESDAY - 60_000

    def killed(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        planner(stage).tend(killed)

    assert list(stage.store.due_schedules(9)) == ["tuesdays"]


def test_beside_one_that_cannot_be_read_another_is_written_shown_and_listed(stage: Stage) -> None:
    stage.store.put_schedule("broken", "{}", 0, replaces=None)

    assert (put(stage).status, stage.ask("GET", TUESDAYS).status) == (200, 200)
    assert ids_in_list(stage) == (["tuesdays"], ["broken"])
    assert ids_in_list(stage, token="brand-token") == ([], [])


def ids_in_list(
    stage: Stage,
    token: str = "ops-token",  # noqa: S107 - a made-up one
) -> tuple[list[str], list[str]]:
    """Return the ids of the schedules in the list, and of those that cannot be read."""
    got = stage.ask("GET", "/v1/schedules", token=token).json
    return [one["id"] for one in got["schedules"]], got["unreadable"]


def test_a_schedule_that_cannot_be_read_stops_no_other(stage: Stage) -> None:
    put(stage)
    stage.store.put_schedule("broken", "{}", 0, replaces=None)
    to(stage, TUESDAY - HOUR_MS)

    assert [one.starts_at for one in stage.store.load(KEY).record.planned] == [TUESDAY]
    (crashed,) = [line for line in stage.lines if "schedule.crashed" in line]
    assert json.loads(crashed)["schedule"] == "broken"


BROKEN = "/v1/schedules/broken"
ABOUT_ONE = (
    ("GET", BROKEN),
    ("DELETE", BROKEN),
    ("GET", f"{BROKEN}/next"),
    *(("POST", f"{BROKEN}/{change}") for change in ("pause", "resume", "skip", "trigger")),
)


OF_A_GROUP = json.dumps({"schedule": {"id": "broken", **body(streams=["group:tv"])}})


@pytest.mark.parametrize("text", ["{}", '{"of": ' + "[" * 99_999, OF_A_GROUP])
@pytest.mark.parametrize(("method", "path"), ABOUT_ONE)
def test_a_request_about_one_that_cannot_be_read_says_how_to_go_on(
    stage: Stage, method: str, path: str, text: str
) -> None:
    stage.store.put_schedule("broken", text, 0, replaces=None)
    given: dict[str, object] | None = {} if method == "POST" else None
    got = stage.ask(method, path, given)

    assert (got.status, got.json["code"]) == (409, "WrongState")
    assert got.json["detail"] == "this release cannot read the schedule broken"
    assert "`PUT /v1/schedules/{schedule}`" in got.json["hint"]
    assert stage.ask(method, path, given, token="brand-token").status == 404


@pytest.mark.parametrize("change", ["resume", "trigger", "skip", "extend"])
def test_one_whose_dates_cannot_be_computed_is_changed_by_nothing_that_needs_them(
    stage: Stage, change: str
) -> None:
    """A later release may know a time zone that this one lacks."""
    put(stage)
    stage.ask("POST", f"{TUESDAYS}/pause", {})
    text = str(stage.store.get_schedule("tuesdays")).replace("Asia/Shanghai", "Mars/Olympus")
    stage.store.put_schedule("tuesdays", text, 0, replaces=stage.store.get_schedule("tuesdays"))

    got = stage.ask("POST", f"{TUESDAYS}/{change}", {"by": "1h"} if change == "extend" else {})

    assert 400 <= got.status < 500
    assert got.json["hint"]
    assert stage.store.get_schedule("tuesdays") == text
    assert stage.ask("DELETE", TUESDAYS).status == 200


def test_one_whose_dates_cannot_be_computed_is_paused(stage: Stage) -> None:
    put(stage)
    text = str(stage.store.get_schedule("tuesdays")).replace("Asia/Shanghai", "Mars/Olympus")
    stage.store.put_schedule("tuesdays", text, 0, replaces=stage.store.get_schedule("tuesdays"))

    assert stage.ask("POST", f"{TUESDAYS}/pause", {}).json["paused"] is True


def test_one_that_cannot_be_read_is_replaced_and_can_then_be_deleted(stage: Stage) -> None:
    stage.store.put_schedule("broken", "{}", 0, replaces=None)
    own = [f"{KEY.domain}/brand/a"]
    assert put(stage, BROKEN, token="brand-token", streams=own).status == 403

    assert put(stage, BROKEN).status == 200
    assert ids_in_list(stage) == (["broken"], [])
    assert stage.ask("DELETE", BROKEN).status == 200


def test_what_one_that_cannot_be_read_had_planned_ends_at_its_time(stage: Stage) -> None:
    """Nobody knows its streams, so nothing is taken out of their records."""
    put(stage)
    to(stage, TUESDAY - HOUR_MS)
    before = stage.store.get_schedule("tuesdays")
    assert stage.store.put_schedule("tuesdays", "{}", 0, replaces=before)
    put(stage, streams=[str(OTHER)])
    to(stage, TUESDAY)
    assert (wanted(stage), wanted(stage, OTHER)) == (True, True)

    assert stage.ask("DELETE", TUESDAYS).status == 200
    to(stage, TUESDAY + 2 * HOUR_MS)
    to(stage, TUESDAY + 7 * 24 * HOUR_MS)
    assert (wanted(stage), stage.store.load(KEY).record.planned) == (False, ())


def test_one_whose_dates_cannot_be_computed_is_named_and_hides_no_other(stage: Stage) -> None:
    """Only a later release knows its time zone."""
    put(stage)
    put(stage, BROKEN)
    text = stage.store.get_schedule("broken") or ""
    later = text.replace("Asia/Shanghai", "Mars/Base")
    assert stage.store.put_schedule("broken", later, 0, replaces=text)

    assert ids_in_list(stage) == (["tuesdays"], ["broken"])
    assert stage.ask("GET", BROKEN).status == stage.ask("GET", f"{BROKEN}/next").status == 409
    assert stage.ask("POST", f"{BROKEN}/skip", {}).status == 409
    assert stage.ask("DELETE", BROKEN).status == 200


def planner(stage: Stage) -> Any:  # noqa: ANN401 - a planner whose wait is the test's
    call = stage.call()
    options: Any = {"may_go_on": lambda: True, "report": call.report_failed}
    return SchedulePlanner(stage.store, stage.app.recorder, call._run, **options)

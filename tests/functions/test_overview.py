"""GET /v1/overview: what is being lost first, counts for the rest, 304 while nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.record_command.overview import MAX_ROWS, OWN_ROWS
from shared.protocol import Command, Published, StreamKey
from shared.protocol.command_errors import NoRecordConfig
from shared.protocol.events import StartAsked
from tests.conftest import KEY, NOON, Clock
from tests.support.broken_records import break_record
from tests.support.scripted_stage import Got, Stage

pytestmark = pytest.mark.slow

TOKENS = (
    "ops:read+control:ops-token,brand:read@live.example.com/brand-a/*:brand-token,"
    "any:read@*/brand-?/room1:any-token,other:control:other-token"
)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


def overview(stage: Stage, token: str = "ops-token", **headers: Any) -> Got:  # noqa: S107, ANN401 - made up; texts
    return stage.ask("GET", "/v1/overview", token=token, **headers)


def lose(stage: Stage, key: StreamKey = KEY) -> None:
    """Have the stream wanted and live, and its start refused for good."""
    stage.live.answers(Command.START, NoRecordConfig("CodeConfigNotFound", ""))
    stage.happens(Published(stage.clock.now), key)
    stage.happens(StartAsked("ops"), key)


def record(stage: Stage, key: StreamKey = KEY) -> None:
    stage.happens(Published(stage.clock.now), key)
    stage.happens(StartAsked("ops"), key)


def room(number: int, app: str = "app") -> StreamKey:
    return StreamKey("live.example.com", app, f"room{number:04}")


def names(got: Got) -> list[str]:
    return [row["stream"].rpartition("/")[2] for row in got.json["rows"]]


def test_an_empty_stage_has_nothing_to_show(stage: Stage) -> None:
    got = overview(stage)

    assert (got.status, got.json["rows"], got.json["more"]) == (200, [], 0)
    assert set(got.json["severities"].values()) == {0}
    assert (got.json["stage"], got.json["caller"]["name"]) == ("dev", "ops")


def test_what_is_lost_the_longest_comes_first(stage: Stage) -> None:
    for number in (2, 1, 3):
        lose(stage, room(number))
        stage.clock.pass_ms(10_000)
    got = overview(stage)

    assert names(got) == ["room0002", "room0001", "room0003"]
    assert [row["severity"] for row in got.json["rows"]] == ["critical", "critical", "warning"]
    assert got.json["severities"]["critical"] == 2
    assert got.json["severities"]["warning"] == 1
    first = got.json["rows"][0]
    assert first["lost_since"] == "2025-11-22T08:26:40Z"
    assert first["reason"]["code"] == "no_record_config"


def test_what_is_being_lost_comes_before_what_is_on_its_way(stage: Stage) -> None:
    stage.happens(Published(NOON), room(1))
    stage.happens(StartAsked("ops"), room(1))
    lose(stage, room(2))
    stage.clock.pass_ms(1_000)
    got = overview(stage)

    assert names(got) == ["room0002", "room0001"]
    assert [row["phase"] for row in got.json["rows"]] == ["failed", "starting"]
    assert "lost_since" not in got.json["rows"][1]


def test_it_says_until_when_the_policy_is_suspended_by_whom_and_why(
    tmp_path: Path, clock: Clock
) -> None:
    tokens = "ops:read+control+policy:ops-token,eye:read:eye-token"
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=tokens)
    tags = [overview(stage).headers["ETag"]]
    for note in ("<b>rehearsal</b>", "longer"):
        body = {"for": "2h", "note": note}
        assert stage.ask("POST", "/v1/policy/suspend", body, token="ops-token").status == 200
        got = overview(stage, "eye-token")
        tags.append(got.headers["ETag"])
        until = "2025-11-22T10:26:40Z"
        assert got.json["suspended"] == {"until": until, "who": "ops", "note": note}
        assert [each["code"] for each in got.json["problems"]][-1] == "policy_suspended"
    clock.pass_ms(7_200_000)

    assert overview(stage).json["suspended"] is None
    assert len(set(tags)) == len(tags)
    assert stage.ask("POST", "/v1/policy/suspend", body, token="eye-token").status == 403
    stage.store.close()


def test_the_same_version_is_not_sent_twice(stage: Stage) -> None:
    lose(stage)
    first = overview(stage)
    tag = first.headers["ETag"]
    stage.clock.pass_ms(2_000)

    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        again = overview(stage, If_None_Match=sent)
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    assert overview(stage, If_None_Match='"other"').status == 200
    assert tag == f'"{first.json["version"]}"'


def test_every_change_makes_another_version(stage: Stage) -> None:
    tags = [overview(stage).headers["ETag"]]
    for change in (lambda: lose(stage), lambda: stage.clock.pass_ms(20_000), stage.stop):
        change()
        got = overview(stage, If_None_Match=tags[-1])
        assert got.status == 200
        tags.append(got.headers["ETag"])

    assert len(set(tags)) == len(tags)
    assert overview(stage, "brand-token", If_None_Match=tags[-1]).status == 200


def test_a_stream_that_cannot_be_read_is_shown(stage: Stage) -> None:
    lose(stage)
    break_record(stage.store, KEY)
    (row,) = overview(stage).json["rows"]

    assert row == {"stream": str(KEY), "severity": "critical", "unreadable": True}


@pytest.mark.slow
def test_two_hundred_of_many_are_under_100_kilobytes(stage: Stage) -> None:
    for number in range(MAX_ROWS + 20):
        lose(stage, StreamKey("live.example.com", "app", f"赛事-{number:04}-" + "名" * 60))
    stage.clock.pass_ms(30_000)
    for language in ("en", "zh"):
        got = overview(stage, Accept_Language=language)
        assert len(got.text.encode()) < 100_000
        assert len(got.json["rows"]) + got.json["more"] == MAX_ROWS + 20


def test_a_bound_token_sees_its_own_alone(stage: Stage) -> None:
    for app in ("brand-a", "brand-b"):
        lose(stage, room(1, app))
        lose(stage, room(2, app))
    stage.clock.pass_ms(30_000)
    brand, anybody = overview(stage, "brand-token").json, overview(stage, "any-token").json

    assert [row["stream"] for row in brand["rows"]] == [
        "live.example.com/brand-a/room0001",
        "live.example.com/brand-a/room0002",
    ]
    assert brand["severities"]["critical"] == 2
    assert sum(brand["phases"].values()) == 2
    assert "brand-b" not in json.dumps(brand)
    assert anybody["rows"] == []
    assert brand["caller"] == {
        "name": "brand",
        "scopes": ["read"],
        "streams": ["live.example.com/brand-a/*"],
    }


def test_more_than_can_be_counted_is_said_to_be(stage: Stage) -> None:
    for number in range(OWN_ROWS + 1):
        stage.happens(Published(NOON), room(number, "brand-a"))
    got = overview(stage, "brand-token").json

    assert got["complete"] is False
    assert overview(stage).json["complete"] is True


def test_a_token_that_may_not_read_gets_nothing(stage: Stage) -> None:
    assert overview(stage, "other-token").status == 403
    assert overview(stage, "unknown-token").status == 401


def test_a_problem_of_the_stage_is_shown_with_its_next_step(tmp_path: Path, clock: Clock) -> None:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS, LIVE_RECORD_MODE="observe")
    found: dict[str, Any] = overview(stage).json

    (problem,) = found["problems"]
    assert (problem["code"], problem["stops_commands"]) == ("mode_observe", False)
    assert problem["fix"]
    assert found["mode"] == "observe"
    stage.store.close()

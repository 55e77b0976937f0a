"""Rehearsals over HTTP: the last one of an application is kept, and a schedule may demand one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339
from tests.conftest import NOON, Clock
from tests.functions.test_schedules import TOKENS, put
from tests.support.scripted_stage import Stage

REHEARSED = "/v1/recordings/live.example.com/app/live-record-rehearsal-1/rehearsal"
ROOM = "/v1/recordings/live.example.com/app/room1/rehearsal"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


def test_the_last_one_of_an_application_is_kept(stage: Stage) -> None:
    assert stage.ask("GET", ROOM).json == {"rehearsal": None}
    said = {"verdict": "no-go", "cause": "no file", "fix": "live-record doctor"}
    assert stage.ask("PUT", REHEARSED, said).status == 200
    stored = {**said, "at": rfc3339(NOON), "who": "ops"}
    stored["stream"] = str(StreamKey("live.example.com", "app", "live-record-rehearsal-1"))
    assert stage.ask("GET", ROOM).json == {"rehearsal": stored}
    stage.ask("PUT", REHEARSED, {"verdict": "go"})
    assert stage.ask("GET", ROOM).json["rehearsal"]["verdict"] == "go"
    other = ROOM.replace("/app/", "/other/")
    assert stage.ask("GET", other).json == {"rehearsal": None}


@pytest.mark.parametrize("said", [{}, {"verdict": "maybe"}, {"verdict": "go", "fix": "x" * 501}])
def test_what_is_no_verdict_is_refused(stage: Stage, said: object) -> None:
    assert stage.ask("PUT", REHEARSED, said).status == 400


def test_who_may_not_reach_the_application_or_only_reads_stores_nothing(stage: Stage) -> None:
    for token in ("brand-token", "eye-token"):
        assert stage.ask("PUT", REHEARSED, {"verdict": "go"}, token=token).status == 403
    assert stage.ask("GET", ROOM).json == {"rehearsal": None}


def test_a_token_for_some_streams_of_an_application_sees_nothing_of_the_others(
    tmp_path: Path, clock: Clock
) -> None:
    """Once it saw the stream, the cause and who asked, and put its own verdict in their place."""
    tokens = f"{TOKENS},mine:read+control@live.example.com/app/room*:mine-token"
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=tokens)
    said = {"verdict": "no-go", "cause": "of the other", "fix": "of the other"}
    assert stage.ask("PUT", REHEARSED, said).status == 200
    before = stage.ask("GET", ROOM).json

    seen = stage.ask("GET", ROOM, token="mine-token").json["rehearsal"]
    assert (seen["verdict"], seen["at"]) == ("no-go", rfc3339(NOON))
    assert [seen[name] for name in ("who", "stream", "cause", "fix")] == [""] * 4
    assert stage.ask("PUT", ROOM, {"verdict": "go"}, token="mine-token").status == 403
    assert stage.ask("GET", ROOM).json == before
    stage.store.close()


def test_a_schedule_shows_what_it_demands(stage: Stage) -> None:
    assert put(stage).json["rehearsed_within"] == "none"
    assert put(stage, rehearsed_within="24h").json["rehearsed_within"] == "1d"
    assert put(stage, rehearsed_within="soon").status == 400

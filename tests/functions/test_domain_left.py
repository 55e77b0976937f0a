"""A stream whose domain has left the policy can be asked about and stopped while it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engine.step_marks import list_read
from shared.protocol import Command, Published, Reported
from tests.conftest import Clock
from tests.support.scripted_stage import ROOM, Stage

ELSEWHERE = {"domain": [{"streaming": "other.example.com"}]}
NEVER_SEEN = "/v1/recordings/live.example.com/app/never-seen"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    """Its only stream is recorded, and the policy names another domain since then."""
    bound = "brand:read+control@live.example.com/app/room1:brand-token"
    tokens = f"ops:read+control+policy:ops-token,{bound}"
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=tokens)
    stage.start()
    applied = stage.ask("POST", "/v1/policy/apply", {"policy": ELSEWHERE, "replaces": 0})
    assert applied.status == 200
    yield stage
    stage.store.close()


def test_it_can_be_asked_about(stage: Stage) -> None:
    for path in (ROOM, f"{ROOM}/history", f"{ROOM}/files"):
        assert stage.ask("GET", path).status == 200
    assert stage.ask("GET", NEVER_SEEN).refusal == (404, "NotFound")


def test_it_can_be_stopped(stage: Stage) -> None:
    assert stage.stop().outcome == (200, "accepted", "idle")
    assert stage.live.sent[-1] is Command.STOP


def test_no_recording_of_it_begins(stage: Stage) -> None:
    assert stage.start().refusal == (404, "NotFound")


def test_it_is_listed_with_and_without_its_domain(stage: Stage) -> None:
    for query in ({}, {"domain": "live.example.com"}):
        rows = stage.ask("GET", "/v1/recordings", query=query).json["recordings"]
        assert [row["stream"] for row in rows] == ["live.example.com/app/room1"]
    unknown = stage.ask("GET", "/v1/recordings", query={"domain": "nowhere.example.com"})
    assert unknown.refusal == (404, "NotFound")


def test_a_token_that_is_bound_to_it_still_reaches_it_alone(stage: Stage) -> None:
    assert stage.ask("POST", f"{ROOM}/stop", {}, token="brand-token").status == 200
    assert stage.ask("GET", NEVER_SEEN, token="brand-token").refusal == (403, "Forbidden")


def test_what_is_said_of_it_has_its_age_since_nobody_reads_its_list(
    stage: Stage, clock: Clock
) -> None:
    stage.happens(Published(clock.now))
    stage.happens(Reported("record_started", recording=True))
    stage.store.touch(list_read("live.example.com"))
    clock.pass_ms(180_000)
    status, (row,) = stage.status().json, stage.ask("GET", "/v1/recordings").json["recordings"]

    assert (status["phase"], status["reason"]) == ("recording", row["reason"])
    assert status["reason"]["code"] == "recorded_unchecked"
    assert status["reason"]["text"].endswith("the online list has not been read for 3m")

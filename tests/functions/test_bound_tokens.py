"""A token that is bound to some streams sees, starts, stops and signs nothing else, anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions import files, stream_events
from functions.record_command import ROUTES
from functions.record_command.routes import Route
from shared.config import Caller
from shared.config.tokens import read_tokens
from shared.protocol import StreamKey
from shared.protocol.events import Published
from shared.protocol.policy import Match
from tests.conftest import NOON, Clock
from tests.support.callback_stage import Edge
from tests.support.scripted_stage import Stage

BOUND = "brand:read+control@live.example.com/brand-a/*:brand-token"
OVER = "over:read+control~2025-11-21:over-token,last:read~2025-11-22:last-token"
MINE, OTHER = "live.example.com/brand-a/room1", "live.example.com/brand-b/room1"
DAY_MS = 86_400_000
ABOUT_ALL = [route for route in ROUTES if route.scope and not route.names_stream]
ABOUT_ONE = [route for route in ROUTES if route.scope and route.names_stream]


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=f"ops:read:ops-token,{BOUND},{OVER}")
    for app in ("brand-a", "brand-b", "zz"):
        for name in ("room1", "room2", "room3"):
            stage.happens(Published(NOON), StreamKey("live.example.com", app, name))
    yield stage
    stage.store.close()


def status(stage: Stage, route: Route, stream: str) -> int:
    path = route.path.replace("{domain}/{app}/{stream}", stream)
    body = {"max_duration": "1h"} if route.path.endswith("extend") else None
    return stage.ask(route.method, path, body, token="brand-token").status


def of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ABOUT_ONE, ids=of)
def test_it_reaches_its_own_streams_alone(stage: Stage, route: Route) -> None:
    assert status(stage, route, MINE) not in (401, 403)
    assert status(stage, route, OTHER) == 403
    assert status(stage, route, "tv.example.com/brand-a/room1") == 403


def test_it_learns_of_no_other_domain(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/recordings/elsewhere.example.com/a/b", token="brand-token")
    listed = stage.ask(
        "GET", "/v1/recordings", token="brand-token", query={"domain": "elsewhere.example.com"}
    )

    assert (got.status, listed.status) == (403, 403)
    assert "the policy names" not in json.dumps([got.json, listed.json])


@pytest.mark.parametrize("route", ABOUT_ALL, ids=of)
def test_it_gets_no_answer_about_the_whole_stage_but_a_list_of_its_own(
    stage: Stage, route: Route
) -> None:
    assert status(stage, route, MINE) == (200 if route.path == "/v1/recordings" else 403)


@pytest.mark.parametrize("limit", ["1", "2", "100"])
@pytest.mark.parametrize("query", [{}, {"app": "brand-b"}, {"domain": "live.example.com"}])
def test_every_page_of_its_list_is_about_its_own(
    stage: Stage, query: dict[str, str], limit: str
) -> None:
    seen, cursor = [], ""
    while True:
        asked = {**query, "limit": limit, **({"cursor": cursor} if cursor else {})}
        page = stage.ask("GET", "/v1/recordings", token="brand-token", query=asked).json
        assert sum(page["phases"].values()) == len(page["recordings"])
        seen += [row["stream"] for row in page["recordings"]]
        cursor = page["next"]
        if cursor is None:
            break

    mine = [f"live.example.com/brand-a/room{n}" for n in (1, 2, 3)]
    assert seen == ([] if query.get("app") == "brand-b" else mine)


def test_a_filter_by_application_alone_ends_with_the_time_there_is(stage: Stage) -> None:
    """It finds few of many: a page may be short, and the next one goes on."""
    got = stage.ask("GET", "/v1/recordings", query={"app": "zz", "limit": "2"})

    assert [row["stream"][-8:] for row in got.json["recordings"]] == ["zz/room1", "zz/room2"]
    assert got.json["next"] is not None


def test_nothing_else_is_signed_for_it(tmp_path: Path, clock: Clock) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_API_TOKENS=BOUND)
    token = {"Authorization": "Bearer brand-token"}

    assert edge.call(files, "GET", f"/v1/files/{OTHER}", headers=token).status == 403
    assert edge.call(files, "GET", f"/v1/files/{MINE}", headers=token).status == 409  # no bucket
    assert edge.call(stream_events, "GET", "/callbacks/stream/refused", headers=token).status == 403


def test_a_token_ends_with_its_last_day(stage: Stage) -> None:
    path = f"/v1/recordings/{MINE}"
    over = stage.ask("GET", path, token="over-token")

    assert over.refusal == (401, "Unauthorized")
    assert "over" in over.json["detail"]
    assert stage.ask("GET", path, token="last-token").status == 200
    stage.clock.pass_ms(DAY_MS)
    assert stage.ask("GET", path, token="last-token").status == 401


def test_a_token_is_written_with_its_globs_and_its_end() -> None:
    text = "tv:read@tv.example.com/*/*@live.example.com/b/x?~2027-01-31:unguessable-token-1"
    (token,) = read_tokens(text).tokens

    globs = (Match("tv.example.com", "*", "*"), Match("live.example.com", "b", "x?"))
    assert token.caller == Caller("tv", frozenset({"read"}), globs, 1_801_440_000_000)


@pytest.mark.parametrize(
    "allowed",
    ["read@live.example.com/app", "read@", "read@a//c", "read~tomorrow", "read~", "policy@a/b/c"],
)
def test_a_binding_that_cannot_be_meant_is_refused(allowed: str) -> None:
    with pytest.raises(ValueError, match=r"^token 1 \(tv\)"):
        read_tokens(f"tv:{allowed}:unguessable-token-1")

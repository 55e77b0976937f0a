"""A token that is bound to some streams sees, starts, stops and signs nothing else, anywhere."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions import files, stream_events
from functions.record_command.queries import SCAN_ROWS
from shared.config import Caller
from shared.config.tokens import digest_of, read_tokens
from shared.protocol import StreamKey
from shared.protocol.events import Published
from shared.protocol.policy import Match
from tests.conftest import NOON, Clock
from tests.support.callback_stage import Edge
from tests.support.scripted_stage import Got, Stage, described

pytestmark = pytest.mark.slow

GLOB = "live.example.com/brand-a/*"
BOUND = f"brand:read+control@{GLOB}:brand-token"
OVER = "over:read+control~2025-11-21:over-token,last:read~2025-11-22:last-token"
MINE, OTHER = "live.example.com/brand-a/room1", "live.example.com/brand-b/room1"
DAY_MS = 86_400_000
TUESDAYS = {
    "start": "2025-11-25T10:00:00",
    "end": "2025-11-25T11:00:00",
    "timezone": "Asia/Shanghai",
}


class Reach(Enum):
    """What of a route a token gets that is bound to some streams."""

    OWN = "an answer about each of its own streams, and of no other"
    LIST = "a list of its own streams"
    SCHEDULES = "schedules of its own streams alone; of another it says nothing"
    NONE = "nothing: it is about all streams"
    OPEN = "what everybody gets without a token, which names no stream"


STREAM = "/v1/recordings/{domain}/{app}/{stream}"
REACH = {
    **{
        f"POST {STREAM}/{asked}": Reach.OWN
        for asked in ("start", "stop", "extend", "restart", "cancel_delay")
    },
    f"GET {STREAM}": Reach.OWN,
    f"GET {STREAM}/history": Reach.OWN,
    f"GET {STREAM}/files": Reach.OWN,
    f"GET {STREAM}/coverage": Reach.OWN,
    f"GET {STREAM}/rehearsal": Reach.OWN,
    f"PUT {STREAM}/rehearsal": Reach.OWN,
    "GET /v1/files/{domain}/{app}/{stream}": Reach.OWN,
    f"GET {STREAM}/playlist.m3u8": Reach.OWN,
    "GET /v1/files/{domain}/{app}/{stream}/playlist.m3u8": Reach.OWN,
    "GET /v1/recordings": Reach.LIST,
    "GET /v1/overview": Reach.LIST,
    "GET /v1/report": Reach.LIST,
    "GET /v1/schedules": Reach.LIST,
    **{
        f"{method} /v1/schedules/{{schedule}}": Reach.SCHEDULES
        for method in ("PUT", "GET", "DELETE")
    },
    "GET /v1/schedules/{schedule}/next": Reach.SCHEDULES,
    **{
        f"POST /v1/schedules/{{schedule}}/{name}": Reach.SCHEDULES
        for name in ("pause", "resume", "skip", "trigger", "extend")
    },
    "GET /v1/policy": Reach.NONE,
    "POST /v1/policy/apply": Reach.NONE,
    "POST /v1/policy/suspend": Reach.NONE,
    "POST /v1/policy/resume": Reach.NONE,
    "POST /v1/store/accept": Reach.NONE,
    "GET /v1/state": Reach.NONE,
    "POST /v1/state/import": Reach.NONE,
    "GET /v1/deliveries": Reach.NONE,
    "POST /v1/deliveries/{id}/redrive": Reach.NONE,
    "GET /v1/alerts": Reach.NONE,
    "POST /v1/alerts/{id}/ack": Reach.NONE,
    "POST /v1/alerts/test": Reach.NONE,
    "GET /v1/webhooks": Reach.NONE,
    "POST /v1/webhooks/{receiver}/test": Reach.NONE,
    "GET /v1/tokens": Reach.NONE,
    "POST /v1/tokens": Reach.NONE,
    "DELETE /v1/tokens/{name}": Reach.NONE,
    "GET /v1/metrics": Reach.NONE,
    "GET /v1/doctor": Reach.NONE,
    "GET /v1/health": Reach.OPEN,
    "HEAD /v1/health": Reach.OPEN,
    "GET /v1/openapi.json": Reach.OPEN,
}
"""Every operation of the OpenAPI document: a new route needs its row."""
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in described()["paths"].items()
    for method, operation in methods.items()
}


def filled(folder: Path, clock: Clock, **settings: str) -> Stage:
    """Return a stage that knows streams of three applications."""
    stage = Stage(folder, clock, **settings)
    for app in ("brand-a", "brand-b", "zz"):
        for name in ("room1", "room2", "room3"):
            stage.happens(Published(NOON), StreamKey("live.example.com", app, name))
    return stage


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = filled(tmp_path, clock, LIVE_RECORD_API_TOKENS=f"ops:read:ops-token,{BOUND},{OVER}")
    yield stage
    stage.store.close()


@pytest.fixture(params=["environment", "store"])
def bound(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    """Yield a stage that knows brand-token, from its environment or from its store."""
    if request.param == "environment":
        stage = filled(tmp_path, clock, LIVE_RECORD_API_TOKENS=f"ops:read:ops-token,{BOUND}")
    else:
        stage = filled(tmp_path, clock)
        digest = digest_of("brand-token").hex()
        body = {"name": "brand", "digest": digest, "scopes": ["read", "control"], "streams": [GLOB]}
        assert stage.ask("POST", "/v1/tokens", body).status == 200
    yield stage
    stage.store.close()


def ask(stage: Stage, operation: str, stream: str) -> Got:
    """Make a request that the document describes, whole, with the token of the brand."""
    method, _, path = operation.partition(" ")
    path = path.replace("{domain}/{app}/{stream}", stream).replace("{name}", "brand")
    path = path.replace("{schedule}", "tuesdays").replace("{receiver}", "crm")
    return stage.ask(method, path, example_of(OPERATIONS[operation]), token="brand-token")


def example_of(operation: Mapping[str, Any]) -> object:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    one_of = schema.get("oneOf", [{"required": []}])[0]["required"]
    fields = [*schema.get("required", ()), *one_of]
    return {name: schema["properties"][name]["examples"][0] for name in fields} or None


def test_every_route_says_what_a_bound_token_gets_of_it() -> None:
    assert set(REACH) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_reaches_its_own_streams_alone(bound: Stage, operation: str) -> None:
    reach, other = REACH[operation], StreamKey.parse(OTHER)
    is_open = reach in (Reach.OPEN, Reach.LIST)
    before, sent = bound.store.load(other), list(bound.live.sent)
    if reach is Reach.SCHEDULES:  # test_schedules.py has the rest
        assert ask(bound, operation, OTHER).status in (403, 404)
        assert (bound.store.schedules(), bound.live.sent) == ({}, sent)
        return
    refused = [ask(bound, operation, name) for name in (OTHER, "tv.example.com/brand-a/room1")]

    assert [got.status in (200, 202) for got in refused] == [is_open] * 2
    assert is_open or [got.status for got in refused] == [403, 403]
    assert (bound.store.load(other), bound.live.sent) == (before, sent)
    mine = ask(bound, operation, MINE)
    assert (mine.status == 403) is (reach is Reach.NONE)
    assert mine.status != 401
    assert all(app not in json.dumps(mine.json) for app in ("brand-b", "zz/"))


def test_it_learns_of_no_other_domain(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/recordings/elsewhere.example.com/a/b", token="brand-token")
    listed = stage.ask(
        "GET", "/v1/recordings", token="brand-token", query={"domain": "elsewhere.example.com"}
    )

    assert (got.status, listed.status) == (403, 403)
    assert "the policy names" not in json.dumps([got.json, listed.json])


TWO_DOMAINS = """
[[domain]]
streaming = "live.example.com"
[[domain]]
streaming = "tv.example.com"
ingest = ["push-tv.example.com"]
"""


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/report", "/v1/schedules/mine"])
@pytest.mark.parametrize("other_faults", [{}, {"timezone": "Mars/Olympus"}])
def test_another_domain_of_the_stage_is_answered_as_one_that_is_not(
    tmp_path: Path, clock: Clock, path: str, other_faults: Mapping[str, str]
) -> None:
    """Once a list of another's domain was empty where one of nobody's was refused, and a schedule
    was told the main streaming domain of an ingest domain."""
    (tmp_path / "policy.toml").write_text(TWO_DOMAINS)
    policy = str(tmp_path / "policy.toml")
    stage = filled(tmp_path, clock, LIVE_RECORD_API_TOKENS=BOUND, LIVE_RECORD_POLICY=policy)
    answers = []
    for domain in ("tv.example.com", "push-tv.example.com", "elsewhere.example.com"):
        if path.startswith("/v1/schedules/"):
            body = {**TUESDAYS, "streams": [f"{domain}/a/b"], **other_faults}
            got = stage.ask("PUT", path, body, token="brand-token")
        else:
            got = stage.ask("GET", path, token="brand-token", query={"domain": domain})
        answers.append((got.status, got.json["detail"], got.json["hint"], got.json["errors"]))
    stage.store.close()

    assert {status for status, *_ in answers} == {403}
    assert answers[0] == answers[1] == answers[2]


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


@pytest.mark.parametrize(
    ("path", "rows"), [("/v1/recordings", "recordings"), ("/v1/report", "streams")]
)
def test_where_a_page_ends_tells_nothing_of_other_streams(
    bound: Stage, path: str, rows: str
) -> None:
    """A page that had no more time ends behind a stream that is not its own."""
    for number in range(SCAN_ROWS):
        key = StreamKey("live.example.com", "another-brand", f"secret{number:03}")
        bound.happens(Published(NOON), key)
    bound.app = replace(bound.app, monotonic=count(0, 60).__next__)
    seen, cursors = list[str](), list[str | None]([""])
    while (cursor := cursors[-1]) is not None:
        query = {"cursor": cursor} if cursor else {}
        page = bound.ask("GET", path, token="brand-token", query=query)
        assert page.status == 200
        seen += [row["stream"] for row in page.json[rows]]
        cursors.append(page.json["next"])

    given = [cursor for cursor in cursors if cursor]
    assert given
    assert all(b"secret" not in urlsafe_b64decode(cursor.strip("~")) for cursor in given)
    assert seen == [f"live.example.com/brand-a/room{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/state"])
@pytest.mark.parametrize("cursor", ["~", "~abc", "~\ud800", "~" + "A" * 64])
def test_a_cursor_that_nobody_gave_is_refused(
    tmp_path: Path, clock: Clock, path: str, cursor: str
) -> None:
    got = Stage(tmp_path, clock).ask("GET", path, query={"cursor": cursor})

    assert got.refusal == (400, "MalformedParam")


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

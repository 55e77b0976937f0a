"""What failed for good over HTTP: listed page by page, and tried again by who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import OUTBOX_MAX_BYTES, NewTask, TaskKind
from shared.protocol import StreamRecord
from shared.store.contract import Save
from tests.conftest import KEY, Clock
from tests.support.scripted_stage import Got, Stage
from tests.support.settling import settle

TOKENS = (
    "ops:read+control:ops-token,eye:read:eye-token,"
    "brand:read+control@live.example.com/app/*:brand-token"
)
PATH = "/v1/deliveries"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


def add(stage: Stage, *names: str, body: str = "{}") -> None:
    version = stage.store.load(KEY).version
    tasks = tuple(NewTask(name, TaskKind.VERIFY_FILE, body) for name in names)
    record = StreamRecord(KEY, changed_at=version + 1)
    stage.store.save_or_claim(Save(version, record, tasks=tasks))


def fail(stage: Stage, *names: str) -> None:
    for name in names:
        add(stage, name)
        (task,) = stage.store.take_tasks("verify_file", limit=9, lease_ms=9_000)
        settle(stage.store, task, Settlement(Next.DEAD, why="OSS refuses"))
        stage.clock.pass_ms(1)


def listed(stage: Stage, **query: str) -> Any:  # noqa: ANN401 - JSON
    got = stage.ask("GET", PATH, query=query, token="eye-token")
    assert got.status == 200, got.json
    return got.json


def redrive(stage: Stage, name: str, token: str = "ops-token") -> Got:  # noqa: S107 - made up
    return stage.ask("POST", f"{PATH}/{name}/redrive", token=token)


def test_what_failed_for_good_says_why_and_since_when(stage: Stage) -> None:
    fail(stage, "a")
    assert listed(stage) == {
        "deliveries": [
            {
                "id": "a",
                "kind": "verify_file",
                "receiver": "",
                "stream": str(KEY),
                "state": "dead",
                "made_at": "2025-11-22T08:26:40Z",
                "at": "2025-11-22T08:26:40Z",
                "attempts": 1,
                "why": "OSS refuses",
            }
        ],
        "next": None,
    }


def test_it_is_paged_the_oldest_first(stage: Stage) -> None:
    fail(stage, "b", "a", "c")
    first = listed(stage, limit="2")
    rest = listed(stage, limit="2", cursor=first["next"])
    assert [row["id"] for page in (first, rest) for row in page["deliveries"]] == ["b", "a", "c"]
    assert rest["next"] is None


def test_what_is_open_is_paged_by_stream(stage: Stage) -> None:
    add(stage, "a", "b", "c")
    first = listed(stage, state="open", limit="2")
    rest = listed(stage, state="open", limit="2", cursor=first["next"])
    assert [row["id"] for page in (first, rest) for row in page["deliveries"]] == ["a", "b", "c"]
    assert listed(stage)["deliveries"] == []


@pytest.mark.parametrize("cursor", ["x", "W10=", "WyJkZWFkIl0=", "WyJkZWFkIiwgIlx1ZDgwMCJd"])
def test_a_cursor_of_nobody_is_refused(stage: Stage, cursor: str) -> None:
    got = stage.ask("GET", PATH, query={"cursor": cursor})
    assert got.refusal == (400, "MalformedParam")


def test_a_cursor_of_the_other_list_is_refused(stage: Stage) -> None:
    add(stage, "a", "b")
    cursor = listed(stage, state="open", limit="1")["next"]
    got = stage.ask("GET", PATH, query={"cursor": cursor, "state": "dead"})
    assert got.refusal == (400, "MalformedParam")


def test_it_is_tried_again_on_request_once(stage: Stage) -> None:
    fail(stage, "a")
    assert redrive(stage, "a").json == {"id": "a", "state": "open"}
    assert listed(stage)["deliveries"] == []
    assert [row["id"] for row in listed(stage, state="open")["deliveries"]] == ["a"]
    assert redrive(stage, "a").refusal == (404, "NotFound")


def test_it_is_not_tried_again_while_too_much_is_open(stage: Stage) -> None:
    fail(stage, "a")
    add(stage, "fill", body="x" * (OUTBOX_MAX_BYTES - 500))
    assert redrive(stage, "a").status == 409
    assert [row["id"] for row in listed(stage)["deliveries"]] == ["a"]


def test_a_token_needs_control_to_try_again_and_may_not_be_bound(stage: Stage) -> None:
    fail(stage, "a")
    assert redrive(stage, "a", "eye-token").refusal == (403, "Forbidden")
    assert redrive(stage, "a", "brand-token").refusal == (403, "Forbidden")
    assert stage.ask("GET", PATH, token="brand-token").refusal == (403, "Forbidden")
    assert stage.store.outbox().dead == 1


def test_health_says_how_much_there_is(stage: Stage) -> None:
    fail(stage, "a")
    add(stage, "b")
    stage.clock.pass_ms(10)
    outbox = stage.ask("GET", "/v1/health", token="").json["outbox"]
    assert outbox == {"open": 1, "oldest_ms": 10, "dead": 1, "dropped": 0}


def test_a_stream_whose_record_is_gone_is_listed_all_the_same(stage: Stage) -> None:
    fail(stage, "a")
    stage.store.save_or_claim(Save(stage.store.load(KEY).version, StreamRecord(KEY)))
    assert [row["stream"] for row in listed(stage)["deliveries"]] == [str(KEY)]

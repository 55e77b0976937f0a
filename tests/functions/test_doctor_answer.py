"""GET /v1/doctor: what only the stage can see of itself. tests/support/scripted_stage.py holds
every answer against the OpenAPI document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions.record_command.doctor import ASK_LIVE_EVERY_MS, ASKED_LIVE
from shared.config import Settings
from shared.config.path_tokens import KINDS as PATH_KINDS
from shared.config.path_tokens import path_token_of
from shared.protocol.command_errors import OperatorActionNeeded
from shared.store.store_errors import StoreUnavailable
from tests.conftest import Clock
from tests.support.scripted_stage import ENVIRONMENT, Stage

KEYS = {
    "LIVE_RECORD_STREAM_KEYS": "stream-key-of-the-test",
    "LIVE_RECORD_RECORD_KEYS": "record-key-of-the-test",
    "LIVE_RECORD_PATH_TOKENS": "path-token-of-the-test",
    "LIVE_RECORD_CALLBACK_HOST": "live.example.com",
}


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    store = {"LIVE_RECORD_STORE": f"sqlite:///{tmp_path}/records.db"}
    stage.app = replace(stage.app, settings=Settings.from_env({**ENVIRONMENT, **store, **KEYS}))
    yield stage
    stage.store.close()


def examined(stage: Stage, **query: str) -> dict[str, Any]:
    got = stage.ask("GET", "/v1/doctor", token="eye-token", query=query)
    assert got.status == 200
    return got.json


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def test_it_needs_a_token(stage: Stage) -> None:
    assert stage.ask("GET", "/v1/doctor", token="").refusal == (401, "Unauthorized")


def test_it_says_how_the_store_keeps_things(stage: Stage) -> None:
    answer = examined(stage)["store"]

    settings = {"journal_mode": "wal", "synchronous": "1"}
    assert answer == {
        "engine": "sqlite",
        "settings": settings,
        "writable": True,
        "why": "",
        "missing": [],
        "expected_id": "",
        "found_id": "",
    }


def test_a_store_that_is_away_is_said_and_the_rest_is_told_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> None:
        raise StoreUnavailable("it has no memory left")

    monkeypatch.setattr(stage.store, "touch", away)
    answer = examined(stage)

    assert answer["store"] == {
        "engine": "",
        "settings": {},
        "writable": False,
        "why": "the store does not answer (it has no memory left)",
        "missing": [],
        "expected_id": "",
        "found_id": "",
    }
    assert answer["live"] == [{"domain": "live.example.com", "online": 0, "code": None}]


def test_why_the_store_is_away_has_chinese_punctuation_in_chinese(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> None:
        raise StoreUnavailable("it has no memory left")

    monkeypatch.setattr(stage.store, "touch", away)
    got = stage.ask("GET", "/v1/doctor", token="eye-token", Accept_Language="zh")

    assert got.json["store"]["why"] == "存储没有响应\uff08it has no memory left\uff09"


def test_a_secret_is_known_by_its_digest_alone(stage: Stage) -> None:
    answer = examined(
        stage, stream_key=digest("stream-key-of-the-test"), record_key=digest("another-key")
    )

    assert answer["matches"] == {
        "stream_key": True,
        "record_key": False,
        "path_token": None,
        "path_token_kind": None,
    }


def test_a_path_token_is_of_one_kind_and_the_secret_itself_is_of_all(stage: Stage) -> None:
    secret = KEYS["LIVE_RECORD_PATH_TOKENS"]
    tokens = {kind: path_token_of(kind, secret) for kind in PATH_KINDS} | {"all": secret}
    matches = {
        kind: examined(stage, path_token=digest(token))["matches"] for kind, token in tokens.items()
    }

    assert {kind: match["path_token_kind"] for kind, match in matches.items()} == {
        kind: kind for kind in tokens
    }
    assert all(match["path_token"] for match in matches.values())
    unknown = examined(stage, path_token="0" * 64)["matches"]
    assert (unknown["path_token"], unknown["path_token_kind"]) == (False, None)


def test_no_secret_is_in_the_answer(stage: Stage) -> None:
    text = json.dumps(examined(stage))

    assert [name for name, secret in KEYS.items() if secret in text] == [
        "LIVE_RECORD_CALLBACK_HOST"  # which is no secret
    ]


def test_what_is_no_digest_is_refused(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/doctor", query={"stream_key": "stream-key-of-the-test"})

    assert got.refusal == (400, "MalformedParam")
    assert "stream-key-of-the-test" not in str(got.json)


def test_live_is_asked_with_the_role_of_the_function(stage: Stage) -> None:
    stage.live.listed = OperatorActionNeeded("Forbidden.RAM", "not allowed")

    assert examined(stage)["live"] == [
        {"domain": "live.example.com", "online": None, "code": "Forbidden.RAM"}
    ]


@pytest.mark.parametrize("others_ask", [False, True])
def test_live_is_asked_by_everybody_s_doctors_once_a_second(stage: Stage, others_ask: bool) -> None:
    """Two at the same time once found that nobody had asked yet, and both asked."""
    waited: list[float] = []
    stage.app = replace(stage.app, wait=waited.append)
    first = examined(stage)["live"]
    if others_ask:
        stage.store.take_slot(ASKED_LIVE, ASK_LIVE_EVERY_MS, ASK_LIVE_EVERY_MS)
    second = examined(stage)["live"]

    busy = [{"domain": "live.example.com", "online": None, "code": "AskedJustNow"}]
    assert second == (busy if others_ask else first)
    assert waited == ([0] if others_ask else [0, 1.0])


def test_without_a_store_each_instance_asks_live_once_a_second(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0, 100.9, 101.0]

    def away(*_: object) -> None:
        raise StoreUnavailable("it has no memory left")

    monkeypatch.setattr(stage.store, "take_slot", away)
    codes = []
    for at in now:
        stage.app = replace(stage.app, monotonic=lambda at=at: at)
        codes.append(examined(stage)["live"][0]["code"])

    assert codes == [None, "AskedJustNow", None]


def test_live_is_not_asked_about_a_digest(stage: Stage) -> None:
    assert examined(stage, path_token="0" * 64)["live"] == []
    assert examined(stage)["live"] == [{"domain": "live.example.com", "online": 0, "code": None}]


def test_a_policy_in_the_store_that_this_release_cannot_read_is_told(stage: Stage) -> None:
    stage.store.put_policy('{"rule": [{"colour": "red"}]}', replaces=0)

    answer = examined(stage)["policy"]

    assert isinstance(answer, dict)
    assert (answer["version"], "colour" in answer["fault"]) == (0, True)


def test_a_policy_that_this_release_cannot_read_can_be_replaced(stage: Stage) -> None:
    stage.store.put_policy('{"rule": [{"colour": "red"}]}', replaces=0)
    shown = stage.ask("GET", "/v1/policy").json
    body = {"policy": shown["policy"], "replaces": shown["newest"]}
    applied = stage.ask("POST", "/v1/policy/apply", body)

    assert (shown["version"], shown["newest"], applied.status) == (0, 1, 200)
    answer = examined(stage)["policy"]
    assert answer == {"version": 2, "fault": ""}


def test_the_settings_that_other_things_must_agree_with_are_told(stage: Stage) -> None:
    answer = examined(stage)["settings"]

    assert isinstance(answer, dict)
    assert (answer["merge_delay_ms"], answer["signature_window_ms"]) == (180_000, 300_000)
    assert (answer["callback_host"], answer["stream_keys"]) == ("live.example.com", 1)
    assert answer["callback_hosts"] == ["live.example.com"]


def test_a_policy_applied_elsewhere_is_told_at_once(
    stage: Stage, tmp_path: Path, clock: Clock
) -> None:
    """What an instance shows is what somebody bases a change on: no version of ten seconds ago."""
    other = Stage(tmp_path, clock)
    policy = other.ask("GET", "/v1/policy").json["policy"]
    assert other.ask("GET", "/v1/doctor").json["policy"]["version"] == 0

    body = {"policy": {**policy, "mode": "observe"}, "replaces": 0}
    assert stage.ask("POST", "/v1/policy/apply", body).status == 200

    assert other.ask("GET", "/v1/policy").json["version"] == 1
    assert other.ask("GET", "/v1/doctor").json["mode"] == "observe"
    other.store.close()

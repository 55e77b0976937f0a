"""Tokens of the store: added, listed and revoked over HTTP, in force within ten seconds on every
instance, and never able to make a wider one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions.record_command.tokens import MAX_TOKENS_NUMBER
from shared.config.token_cache import TOKENS_AGE_MS, TokenCache
from shared.config.tokens import digest_of
from shared.invocation.composition import build
from shared.protocol.durations import rfc3339
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, NOON, Clock
from tests.support.emptied_store import empty
from tests.support.scripted_stage import ROOM, Got, Stage

TV = "tv-token-of-32-random-bytes"
HOUR_MS = 3_600_000
TOKENS = (
    "ops:read+control+policy+tokens:ops-token,eye:read:eye-token,lead:read+tokens:lead-token,"
    "guest:read+control+tokens~2025-11-22:guest-token"
)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


def other_instance(stage: Stage) -> Stage:
    other = Stage(stage.folder, stage.clock, LIVE_RECORD_API_TOKENS=TOKENS)
    other.app = replace(build(stage.app.settings, stage.clock), log=other.app.log)
    return other


def body(name: str = "tv", secret: str = TV, **more: object) -> dict[str, object]:
    return {"name": name, "digest": digest_of(secret).hex(), "scopes": ["read"], **more}


def add(stage: Stage, token: str = "ops-token", **fields: Any) -> Got:  # noqa: ANN401, S107 - JSON; a made-up one
    return stage.ask("POST", "/v1/tokens", body(**fields), token=token)


def revoke(stage: Stage, name: str) -> Got:
    return stage.ask("DELETE", f"/v1/tokens/{name}")


def test_a_token_is_in_force_at_once_where_it_was_added(stage: Stage) -> None:
    assert stage.ask("GET", ROOM, token=TV).status == 401
    added = add(stage)

    assert (added.status, added.json["name"], added.json["made_by"]) == (200, "tv", "ops")
    assert stage.ask("GET", ROOM, token=TV).status == 200
    refused = stage.ask("POST", f"{ROOM}/start", token=TV)
    assert refused.refusal == (403, "Forbidden")
    assert refused.json["detail"] == "the token tv does not have the scope `control`"


def test_every_other_instance_takes_it_within_ten_seconds(stage: Stage) -> None:
    other = other_instance(stage)
    assert other.ask("GET", ROOM, token=TV).status == 401
    add(stage)
    stage.clock.pass_ms(TOKENS_AGE_MS)

    assert other.ask("GET", ROOM, token=TV).status == 200


def test_every_other_instance_refuses_a_revoked_one_within_ten_seconds(stage: Stage) -> None:
    other = other_instance(stage)
    add(stage)
    assert other.ask("GET", ROOM, token=TV).status == 200

    assert revoke(stage, "tv").json == {"name": "tv"}
    assert stage.ask("GET", ROOM, token=TV).status == 401
    stage.clock.pass_ms(TOKENS_AGE_MS)
    assert other.ask("GET", ROOM, token=TV).status == 401


def test_history_and_log_name_who_asked_and_who_changed_the_tokens(stage: Stage) -> None:
    add(stage, scopes=["read", "control"])
    stage.ask("POST", f"{ROOM}/start", token=TV)
    revoke(stage, "tv")
    lines = [json.loads(line) for line in "\n".join(stage.lines).splitlines()]

    assert stage.status().json["intent"]["who"] == "tv"
    (added,) = [line for line in lines if line["event"] == "tokens.added"]
    (revoked,) = [line for line in lines if line["event"] == "tokens.revoked"]
    assert (added["name"], added["who"], added["scopes"]) == ("tv", "ops", ["control", "read"])
    assert (revoked["name"], revoked["who"]) == ("tv", "ops")


def test_the_list_has_all_and_nothing_that_proves_one(stage: Stage) -> None:
    until = rfc3339(NOON + HOUR_MS)
    add(stage, streams=["live.example.com/brand-a/*"], until=until)
    listed = stage.ask("GET", "/v1/tokens").json

    assert [row["name"] for row in listed["tokens"]] == ["ops", "eye", "lead", "guest", "tv"]
    assert listed["tokens"][4] == {
        "name": "tv",
        "scopes": ["read"],
        "streams": ["live.example.com/brand-a/*"],
        "until": until,
        "kept_in": "store",
        "made_by": "ops",
        "made_at": rfc3339(NOON),
    }
    text = json.dumps(listed)
    assert "digest" not in text
    assert digest_of(TV).hex() not in text


def test_a_token_of_the_store_is_bound_and_ends_as_one_of_the_environment_does(
    stage: Stage,
) -> None:
    add(stage, streams=["live.example.com/app/room1"], until=rfc3339(NOON + HOUR_MS))

    assert stage.ask("GET", ROOM, token=TV).status == 200
    assert stage.ask("GET", ROOM + "1", token=TV).status == 403
    stage.clock.pass_ms(HOUR_MS)
    assert stage.ask("GET", ROOM, token=TV).status == 401


def test_a_request_whose_answer_was_lost_is_sent_again(stage: Stage) -> None:
    first = add(stage)
    stage.clock.pass_ms(5_000)

    assert add(stage).json == first.json


def test_a_name_is_given_once(stage: Stage) -> None:
    add(stage)

    assert add(stage, secret="another").refusal == (409, "WrongState")
    assert add(stage, name="eye", secret="another").refusal == (409, "WrongState")


def test_a_secret_that_the_stage_knows_is_no_new_token(tmp_path: Path, clock: Clock) -> None:
    key = "the-key-of-the-stage"
    stage = Stage(tmp_path, clock, LIVE_RECORD_WAKE_KEY=key)
    add(stage)

    for secret in (key, TV, "eye-token"):
        assert add(stage, name="new", secret=secret).refusal == (409, "WrongState")


@pytest.mark.parametrize(
    ("token", "fields"),
    [
        ("lead-token", {"scopes": ["control"]}),
        ("lead-token", {"scopes": ["read", "policy"]}),
        ("guest-token", {}),
        ("guest-token", {"until": "2025-11-23T00:00:00.001Z"}),
        ("eye-token", {}),
    ],
)
def test_no_token_makes_one_that_may_do_more_or_lasts_longer(
    stage: Stage, token: str, fields: Mapping[str, object]
) -> None:
    assert add(stage, token, **fields).refusal == (403, "Forbidden")


def test_a_token_that_ends_makes_one_that_ends_no_later(stage: Stage) -> None:
    assert add(stage, "guest-token", until="2025-11-23T00:00:00Z").status == 200


@pytest.mark.parametrize("scope", ["tokens", "policy"])
def test_no_bound_token_has_a_scope_about_all_streams(stage: Stage, scope: str) -> None:
    got = add(stage, scopes=["read", scope], streams=["live.example.com/brand-a/*"])

    assert got.refusal == (400, "MalformedParam")


def test_a_token_of_the_store_may_manage_tokens(stage: Stage) -> None:
    add(stage, scopes=["read", "tokens"])
    made = add(stage, TV, name="late", secret="another-secret")

    assert (made.status, made.json["made_by"]) == (200, "tv")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "with space"},
        {"name": ""},
        {"digest": digest_of("").hex()},
        {"digest": "F" * 64},
        {"scopes": []},
        {"scopes": ["read", "read"]},
        {"scopes": ["admin"]},
        {"streams": ["live.example.com/app"]},
        {"streams": ["a/b/\ud800"]},
        {"streams": ["a/b/c"] * 17},
        {"until": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_cannot_be_meant_is_refused(stage: Stage, fields: Mapping[str, Any]) -> None:
    assert add(stage, **fields).refusal == (400, "MalformedParam")
    assert stage.store.tokens() == {}


def test_an_end_in_the_past_is_refused_with_what_to_write(stage: Stage) -> None:
    refused = add(stage, until="2020-01-01T00:00:00Z")
    assert refused.json["errors"][0]["detail"] == "is past: write a time to come"


def test_only_what_is_in_the_store_is_revoked(stage: Stage) -> None:
    assert revoke(stage, "nobody").refusal == (404, "NotFound")
    assert revoke(stage, "%ED%A0%80").refusal == (404, "NotFound")
    assert revoke(stage, "ops").refusal == (409, "WrongState")
    assert "LIVE_RECORD_API_TOKENS" in revoke(stage, "ops").json["hint"]


def test_there_are_so_many_and_no_more(stage: Stage) -> None:
    for number in range(MAX_TOKENS_NUMBER):
        stage.store.add_token(f"t{number}", "{}")

    assert add(stage).refusal == (409, "WrongState")
    revoke(stage, "t7")
    assert add(stage).status == 200


def test_a_name_of_the_environment_belongs_to_its_token_alone(stage: Stage) -> None:
    add(stage)
    later = Stage(stage.folder, stage.clock, LIVE_RECORD_API_TOKENS="tv:read:another-token")

    assert later.ask("GET", ROOM, token=TV).status == 401
    assert later.ask("GET", ROOM, token="another-token").status == 200


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"of": "a later release"}'])
def test_what_cannot_be_read_whole_is_no_token_and_can_be_revoked(stage: Stage, text: str) -> None:
    add(stage)
    stage.store.add_token("odd", text)
    stage.app.tokens.forget()

    assert stage.ask("GET", ROOM, token=TV).status == 200
    assert stage.ask("GET", "/v1/tokens").json["unreadable"] == ["odd"]
    assert revoke(stage, "odd").status == 200


def test_a_limit_that_only_a_later_release_knows_makes_it_no_token(stage: Stage) -> None:
    add(stage)
    document = json.loads(stage.store.tokens()["tv"])
    stage.store.remove_token("tv")
    stage.store.add_token("tv", json.dumps({**document, "addresses": ["192.0.2.1"]}))
    stage.app.tokens.forget()

    assert stage.ask("GET", ROOM, token=TV).status == 401


class CountingSource:
    def __init__(self, tokens: Mapping[str, str]) -> None:
        self.reads = 0
        self.is_down = False
        self._tokens = tokens

    def tokens(self) -> Mapping[str, str]:
        self.reads += 1
        if self.is_down:
            raise StoreUnavailable("down")
        return self._tokens

    def get_text(self, _name: str) -> str | None:
        return None

    def set_text(self, _name: str, _text: str) -> None:
        raise AssertionError("nobody signs in here")


@pytest.fixture
def source(stage: Stage) -> CountingSource:
    add(stage)
    source = CountingSource(stage.store.tokens())
    app = stage.app
    cache = TokenCache(source, app.settings.api_tokens, clock=app.clock, log=app.log)
    stage.app = replace(app, tokens=cache)
    return source


def test_a_token_of_the_environment_costs_no_read(stage: Stage, source: CountingSource) -> None:
    assert stage.status().status == 200
    assert source.reads == 0


def test_any_number_of_tokens_costs_one_read_in_ten_seconds(
    stage: Stage, source: CountingSource
) -> None:
    for number in range(100):
        assert stage.ask("GET", ROOM, token=f"wrong-{number}").status == 401
        assert stage.ask("GET", ROOM, token=TV).status == 200
        stage.clock.pass_ms(199)

    assert source.reads == 2


def test_while_the_store_is_down_the_last_tokens_known_are_in_force(
    stage: Stage, source: CountingSource
) -> None:
    assert stage.ask("GET", ROOM, token=TV).status == 200
    source.is_down = True
    stage.clock.pass_ms(TOKENS_AGE_MS)

    assert stage.ask("GET", ROOM, token=TV).status == 200
    assert stage.status().status == 200


def test_an_unknown_token_is_not_called_wrong_while_the_store_is_down(
    stage: Stage, source: CountingSource
) -> None:
    source.is_down = True
    for _ in range(20):
        assert stage.ask("GET", ROOM, token=TV).status == 503
    assert source.reads == 1

    source.is_down = False
    stage.clock.pass_ms(1_000)
    assert stage.ask("GET", ROOM, token=TV).status == 200


def test_after_the_store_was_emptied_the_environment_s_tokens_are_left(stage: Stage) -> None:
    add(stage)
    empty(stage.store)
    stage.clock.pass_ms(TOKENS_AGE_MS)

    assert stage.ask("GET", ROOM, token=TV).status == 401
    assert stage.status().json["stream"] == str(KEY)

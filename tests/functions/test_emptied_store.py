"""A stage whose store is emptied under it: who is told, what goes on, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config.policy_cache import POLICY_AGE_MS
from shared.protocol import Command, Polled, StreamKey
from tests.conftest import KEY, NOON, Clock
from tests.support.emptied_store import empty
from tests.support.reconciling import ReconcilingStage
from tests.support.scripted_stage import ROOM, Got, Stage

OURS = "cn-shanghai.prod.aaaa"
RECORDS = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    """Yield a stage whose rule records every stream, once its store was accepted."""
    (tmp_path / "records.toml").write_text(RECORDS)
    policy = str(tmp_path / "records.toml")
    stage = Stage(tmp_path, clock, LIVE_RECORD_STORE_ID=OURS, LIVE_RECORD_POLICY=policy)
    assert accept(stage).json == {"store_id": OURS}
    yield stage
    stage.store.close()


def accept(stage: Stage, body: object = None, language: str = "en") -> Got:
    return stage.ask("POST", "/v1/store/accept", body, Accept_Language=language)


def is_seen(stage: Stage, published: int = NOON - 60_000, key: StreamKey = KEY) -> None:
    stage.happens(Polled(published, stage.clock.now), key)


def reason(stage: Stage, language: str = "en") -> dict[str, str]:
    found: dict[str, str] = stage.ask("GET", ROOM, Accept_Language=language).json["reason"]
    return found


def test_an_explicit_stop_that_was_forgotten_is_not_overruled(stage: Stage) -> None:
    is_seen(stage)
    stage.stop()
    empty(stage.store)
    stage.clock.pass_ms(5_000)
    is_seen(stage)

    assert stage.live.sent == [Command.START, Command.STOP]
    assert reason(stage)["code"] == "store_emptied"


def test_why_names_the_next_step_in_both_languages(stage: Stage) -> None:
    empty(stage.store)

    assert "live-record store accept" in reason(stage)["text"]
    assert "存储已被清空" in reason(stage, "zh")["text"]


def test_the_list_says_so_too(stage: Stage) -> None:
    empty(stage.store)
    is_seen(stage)
    row = stage.ask("GET", "/v1/recordings").json["recordings"][0]

    assert (row["phase"], row["reason"]["code"]) == ("idle", "store_emptied")


def test_doctor_shows_what_was_expected_and_found(stage: Stage) -> None:
    store = stage.ask("GET", "/v1/doctor").json["store"]
    assert (store["expected_id"], store["found_id"]) == (OURS, OURS)
    empty(stage.store)

    store = stage.ask("GET", "/v1/doctor").json["store"]
    assert (store["expected_id"], store["found_id"]) == (OURS, "")


def test_a_stop_is_sent_and_a_stream_that_comes_later_is_recorded(stage: Stage) -> None:
    empty(stage.store)
    is_seen(stage)
    stage.stop()
    stage.clock.pass_ms(60_000)
    later = StreamKey(KEY.domain, KEY.app, "later")
    is_seen(stage, stage.clock.now, later)

    assert stage.live.sent == [Command.STOP, Command.START]


def test_after_it_is_accepted_the_policy_goes_on(stage: Stage) -> None:
    empty(stage.store)
    is_seen(stage)
    assert stage.live.sent == []
    accept(stage)
    is_seen(stage)

    assert stage.live.sent == [Command.START]
    assert reason(stage)["code"] == "accepted"


def test_a_policy_applied_after_the_store_was_emptied_replaces_one_of_the_same_version(
    stage: Stage,
) -> None:
    """The versions of an emptied store count from 1 again."""
    for domain in ("one.example.com", "two.example.com"):
        empty(stage.store)
        policy = {"domain": [{"streaming": domain}]}
        assert stage.store.put_policy(json.dumps(policy), replaces=0)
        stage.clock.pass_ms(POLICY_AGE_MS)
        shown = stage.ask("GET", "/v1/policy").json

        assert (shown["version"], shown["policy"]["domain"][0]["streaming"]) == (1, domain)


def test_another_stage_sends_nothing_and_says_whose_the_store_is(
    stage: Stage, clock: Clock
) -> None:
    theirs = Stage(stage.folder, clock, LIVE_RECORD_STORE_ID="cn-shanghai.staging.bbbb")
    got = theirs.start()

    assert got.status == 503
    assert theirs.live.sent == []
    health = theirs.ask("GET", "/v1/health", token="")
    assert health.status == 503
    assert OURS in health.json["why"][0]
    assert "--replaces" in health.json["problems"][0]["fix"]
    theirs.store.close()


def test_it_takes_the_store_over_only_by_name(stage: Stage, clock: Clock) -> None:
    theirs = Stage(stage.folder, clock, LIVE_RECORD_STORE_ID="cn-shanghai.staging.bbbb")
    assert accept(theirs).status == 409
    assert accept(theirs, {"replaces": OURS}).json == {"store_id": "cn-shanghai.staging.bbbb"}

    assert stage.start().status == 503
    theirs.store.close()


def test_a_take_over_from_a_stage_that_the_store_does_not_belong_to_is_refused(
    stage: Stage,
) -> None:
    got = accept(stage, {"replaces": "cn-shanghai.wrong.cccc"})
    assert (got.status, got.json["code"]) == (409, "WrongState")
    assert got.json["detail"] == (
        "the store does not belong to cn-shanghai.wrong.cccc: it belongs to this stage already"
    )
    assert accept(stage, {"replaces": OURS}).json == {"store_id": OURS}

    empty(stage.store)
    got = accept(stage, {"replaces": "cn-shanghai.wrong.cccc"})
    assert got.json["detail"] == (
        "the store does not belong to cn-shanghai.wrong.cccc: it belongs to no stage yet"
    )
    assert stage.store.state().store_id is None


def test_a_stage_without_an_id_has_nothing_to_accept(tmp_path: Path, clock: Clock) -> None:
    stage = Stage(tmp_path, clock)
    got = accept(stage)

    assert got.status == 409
    assert "LIVE_RECORD_STORE_ID" in got.json["detail"]
    assert stage.ask("GET", "/v1/health", token="").json["problems"] == []
    stage.store.close()


def test_it_takes_a_token_that_may_control(stage: Stage) -> None:
    assert stage.ask("POST", "/v1/store/accept", token="").status == 401
    assert stage.ask("POST", "/v1/store/accept", token="eye-token").status == 403


def test_reconcile_logs_it_each_time(stage: Stage) -> None:
    empty(stage.store)
    stage.call().report_store()

    assert any('"store.emptied"' in line for line in stage.lines)
    accept(stage)
    stage.lines.clear()
    stage.call().report_store()
    assert stage.lines == []


def test_what_is_live_is_started_within_seconds_after_the_store_is_accepted(
    tmp_path: Path, clock: Clock
) -> None:
    stage = ReconcilingStage(tmp_path, clock, policy=RECORDS, LIVE_RECORD_STORE_ID=OURS)
    empty(stage.app.store)
    stage.listing.up[KEY] = NOON - 60_000
    stage.minute()
    stage.clock.pass_ms(60_000)
    stage.minute()
    assert stage.listing.carried == []
    api = Stage(tmp_path, clock, LIVE_RECORD_STORE_ID=OURS)
    stage.clock.pass_ms(20_000)
    accept(api)
    api.store.close()
    stage.woken()
    stage.app.store.close()

    assert stage.listing.carried == [(Command.START, KEY)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_request_to_a_stage_with_the_store_of_another_stage_names_both(
    stage: Stage, language: str
) -> None:
    other = Stage(stage.folder, stage.clock, LIVE_RECORD_STORE_ID="cn-shanghai.staging.bbbb")
    refused = [
        other.ask("GET", ROOM, Accept_Language=language),
        other.ask("POST", f"{ROOM}/stop", Accept_Language=language),
    ]
    other.store.close()

    for got in refused:
        assert got.refusal == (503, "ForeignStore")
        assert OURS in got.json["detail"]
        assert "cn-shanghai.staging.bbbb" in got.json["detail"]

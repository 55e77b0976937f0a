"""One bad record among good ones, through the functions: it stops nobody, everybody can see it, and
a person can stop it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engine.recorder import HandlingOptions
from shared.protocol import Command, Phase, Published, StartAsked, StreamKey
from shared.protocol.command_errors import StreamNotLive
from shared.store.contract import Save, Saved
from shared.store.store_errors import Unreadable
from tests.conftest import KEY, Clock
from tests.support.broken_records import LATER_STATE, break_record, set_aside
from tests.support.reconciling import ReconcilingStage
from tests.support.scripted_stage import ROOM, Got, Stage

GOOD = [StreamKey(KEY.domain, "app", f"good{number}") for number in range(3)]
MINUTE_MS = 60_000
ONLY_STORE = HandlingOptions(may_send=lambda: False)


@pytest.fixture
def beside(tmp_path: Path, clock: Clock) -> Iterator[ReconcilingStage]:
    beside = ReconcilingStage(tmp_path, clock)
    yield beside
    beside.app.store.close()


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


def recorded(beside: ReconcilingStage, *keys: StreamKey) -> None:
    """Record the streams until an hour from now."""
    for key in keys:
        beside.listing.up[key] = beside.clock.now // 1000 * 1000
        beside.happens(Published(beside.clock.now), key)
        beside.happens(StartAsked("ann", max_duration=3_600_000), key)
        beside.clock.pass_ms(1_000)


def asks(stage: Stage, what: str, **body: object) -> Got:
    return stage.ask("POST", f"{ROOM}/{what}", body)


# --- it stops nobody else ------------------------------------------------------------------------


def test_the_others_are_stopped_at_their_end_within_one_run(beside: ReconcilingStage) -> None:
    recorded(beside, KEY, *GOOD)
    break_record(beside.app.store, KEY)
    beside.listing.carried.clear()
    beside.clock.pass_ms(3_600_000)
    answer = beside.minute()

    assert sorted(beside.listing.carried) == [(Command.STOP, key) for key in GOOD]
    assert answer["failed"] == []
    lines = beside.logged("stream.crashed")
    assert {line["stream"] for line in lines} == {str(KEY)}
    assert "resting" in lines[0]["error"]


def test_a_stream_that_crashes_stops_none_of_the_others(
    beside: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record can be read, and what follows from it cannot be stored."""
    for key in (KEY, *GOOD):
        beside.happens(Published(beside.clock.now), key)
        beside.invocation().handle(key, StartAsked("ann"), ONLY_STORE)
    save = beside.app.store.save_or_claim

    def save_or_crash(request: Save) -> Saved:
        if request.key == KEY:
            raise ValueError("something that no store takes")
        return save(request)

    monkeypatch.setattr(beside.app.store, "save_or_claim", save_or_crash)
    beside.minute()

    assert sorted(key for _, key in beside.listing.carried) == GOOD
    assert beside.app.store.quarantined() == 1
    monkeypatch.undo()
    beside.clock.pass_ms(MINUTE_MS)
    beside.minute()
    assert (Command.START, KEY) in beside.listing.carried
    assert beside.app.store.quarantined() == 0


def test_the_others_are_found_in_the_online_list(beside: ReconcilingStage) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)
    beside.listing.up |= dict.fromkeys(GOOD, beside.clock.now)
    beside.minute()

    assert all(beside.record(key).session is not None for key in GOOD)


# --- everybody can see it ------------------------------------------------------------------------


def test_it_is_shown_by_status_list_and_health_with_what_to_do(
    beside: ReconcilingStage, stage: Stage
) -> None:
    recorded(beside, KEY, *GOOD)
    break_record(beside.app.store, KEY)
    beside.clock.pass_ms(MINUTE_MS)
    beside.minute()
    status, listed, health = (
        stage.status(),
        stage.ask("GET", "/v1/recordings"),
        stage.ask("GET", "/v1/health"),
    )

    assert status.refusal == (503, "UnreadableRecord")
    assert "resting" in status.json["detail"]
    assert "a stop is still sent" in status.json["hint"]
    assert [row["stream"] for row in listed.json["recordings"]] == [str(key) for key in GOOD]
    (row,) = listed.json["unreadable"]
    assert (row["stream"], "resting" in row["reason"]) == (str(KEY), True)
    assert (health.status, health.json["ready"]) == (200, True)
    assert health.json["status"] == "degraded"
    fixes = {problem["code"]: problem["fix"] for problem in health.json["problems"]}
    assert "live-record list" in fixes["streams_quarantined"]


def test_one_that_is_never_due_is_shown_within_a_minute(
    beside: ReconcilingStage, stage: Stage
) -> None:
    stage.happens(Published(beside.clock.now))
    break_record(beside.app.store, KEY)
    beside.minute()

    (problem,) = stage.ask("GET", "/v1/health").json["problems"]
    assert problem["code"] == "streams_quarantined"
    assert beside.logged("stream.crashed")


def test_a_page_may_hold_nothing_but_it(beside: ReconcilingStage, stage: Stage) -> None:
    recorded(beside, KEY, *GOOD)
    break_record(beside.app.store, GOOD[0])
    page = stage.ask("GET", "/v1/recordings", query={"limit": "1"}).json
    rest = stage.ask("GET", "/v1/recordings", query={"cursor": page["next"]}).json

    assert (page["recordings"], page["unreadable"][0]["stream"]) == ([], str(GOOD[0]))
    assert [row["stream"] for row in rest["recordings"]] == list(map(str, [*GOOD[1:], KEY]))


# --- a person can stop it ------------------------------------------------------------------------


def test_a_stop_is_sent_and_replaces_the_record(beside: ReconcilingStage, stage: Stage) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)
    got = asks(stage, "stop")

    assert got.outcome == (200, "accepted", "idle")
    assert stage.live.sent == [Command.STOP]
    assert stage.status().json["held"] is True
    assert set_aside(stage.store, KEY) == LATER_STATE
    assert stage.store.quarantined() == 0


def test_a_stop_that_live_does_not_find_is_not_of_an_unknown_stream(
    beside: ReconcilingStage, stage: Stage
) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)
    stage.live.answers(Command.STOP, StreamNotLive("StreamNotFound"))

    assert asks(stage, "stop").outcome == (200, "already_stopped", "idle")


def test_a_stop_that_finds_no_slot_is_sent_by_the_next_reconcile(
    beside: ReconcilingStage, stage: Stage
) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)
    stage.store.pause_slots(2_000)
    assert asks(stage, "stop").status == 202
    stage.clock.pass_ms(2_000)
    beside.minute()

    assert beside.listing.carried[-1] == (Command.STOP, KEY)


def test_a_start_that_was_on_its_way_is_followed_by_one_more_stop(
    beside: ReconcilingStage, stage: Stage
) -> None:
    """Nobody knows what the record held: a start may have been sent just before."""
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)
    asks(stage, "stop")
    beside.listing.carried.clear()
    for _ in range(2):
        stage.clock.pass_ms(MINUTE_MS)
        beside.minute()

    assert beside.listing.carried == [(Command.STOP, KEY)]


@pytest.mark.parametrize("what", ["start", "restart", "cancel_delay"])
def test_nothing_else_replaces_it(beside: ReconcilingStage, stage: Stage, what: str) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)

    assert asks(stage, what).refusal == (503, "UnreadableRecord")
    assert stage.live.sent == []


def test_a_callback_about_it_is_answered_and_changes_nothing(beside: ReconcilingStage) -> None:
    recorded(beside, KEY)
    break_record(beside.app.store, KEY)

    assert beside.ingest("publish_done").status == 503
    assert beside.asks().status == 200
    with pytest.raises(Unreadable):
        beside.record()


def test_a_release_that_can_read_it_goes_on_with_it(beside: ReconcilingStage) -> None:
    recorded(beside, KEY)
    store = beside.app.store
    with store._reading() as db:  # type: ignore[union-attr] # SQLite's
        (whole,) = db.execute("SELECT document FROM record").fetchone()
    break_record(store, KEY)
    for _ in range(3):
        beside.clock.pass_ms(MINUTE_MS)
        beside.minute()
    break_record(store, KEY, whole)
    for _ in range(4):
        beside.clock.pass_ms(MINUTE_MS)
        beside.minute()
    assert (store.quarantined(), store.queue().depth) == (0, 0)
    beside.clock.pass_ms(3_600_000)
    beside.minute()

    assert beside.listing.carried[-1] == (Command.STOP, KEY)
    assert beside.record().intent.wanted is False


# --- a policy that cannot be read ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "[", "[]", '{"domain": 7}', '{"later": {"x": 1}}', "[" * 9999]
)
def test_a_stored_policy_that_cannot_be_read_stops_nothing(
    beside: ReconcilingStage, stage: Stage, text: str
) -> None:
    good = {"domain": [{"streaming": KEY.domain, "ingest": ["push.example.com"]}]}
    assert beside.app.store.put_policy(json.dumps(good), replaces=0)
    assert beside.app.policy.domains
    assert beside.app.store.put_policy(text, replaces=1)
    beside.clock.pass_ms(MINUTE_MS)
    recorded(beside, *GOOD)
    beside.minute()

    assert sorted(key for _, key in beside.listing.carried) == GOOD
    assert beside.app.policies.version == 1
    health = stage.ask("GET", "/v1/health")
    assert health.status == 200
    assert [problem["code"] for problem in health.json["problems"]] == ["policy_unreadable"]


def test_phases_of_a_later_release_are_not_counted(stage: Stage) -> None:
    stage.start()
    with stage.store._writing() as db:  # type: ignore[union-attr] # SQLite's
        db.execute("UPDATE record SET phase='resting'")

    assert stage.ask("GET", "/v1/health").status == 200
    assert set(stage.store.phases()) <= set(Phase)
    assert stage.ask("POST", f"{ROOM}/stop").status == 200

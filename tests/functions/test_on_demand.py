"""Live asks, as a stream begins, whether to record it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from functions import on_demand
from shared.protocol import StartAsked, StopAsked, StreamKey
from shared.protocol.stream import Command
from tests.conftest import KEY, Clock
from tests.support.callback_stage import HOST, LESSON, POLICY, RECORD_KEY, TOKEN, Edge
from tests.support.raw_server import RESET, Step, Wire, http

FORWARDS = """
{mode}
[forward_to]
on_demand = "http://127.0.0.1:{port}/theirs?tenant=7"
{policy}
"""


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Edge:
    return Edge(tmp_path, clock)


@pytest.fixture
def theirs() -> Iterator[Wire]:
    """Whoever answered before us."""
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def relaying(tmp_path: Path, clock: Clock, theirs: Wire) -> Callable[[str], Edge]:
    def stage(mode: str = "") -> Edge:
        policy = FORWARDS.format(mode=mode, port=theirs.port, policy=POLICY)
        return Edge(tmp_path, clock, policy=policy, LIVE_RECORD_RELAY_KEY="dev-relay-key-0000")

    return stage


def said(body: Mapping[str, object], status: int = 200) -> Step:
    return Step(http(status, json.dumps(body)))


def needs(edge: Edge, key: StreamKey = KEY) -> bool:
    got = edge.asks(key)
    assert (got.status, got.json["ApiVersion"]) == (200, "1.0")
    assert got.size < 2048
    need: bool = got.json["NeedRecord"]
    return need


# --- who decides --------------------------------------------------------------------------------


def test_a_stream_that_is_wanted_is_recorded(edge: Edge) -> None:
    edge.happens(StartAsked("ann"))

    assert needs(edge)


def test_a_stream_that_nobody_wants_is_not(edge: Edge) -> None:
    assert not needs(edge)


def test_a_rule_that_records_says_yes(edge: Edge) -> None:
    assert needs(edge, LESSON)


def test_an_explicit_stop_holds_against_the_rule(edge: Edge) -> None:
    edge.happens(StopAsked("ann"), LESSON)

    assert not needs(edge, LESSON)


def test_a_suspended_policy_says_no_and_an_intent_yes(tmp_path: Path, clock: Clock) -> None:
    suspended = f'{POLICY}\n[suspended]\nuntil = "2099-01-01T00:00:00Z"\n'
    edge = Edge(tmp_path, clock, policy=suspended)
    assert not needs(edge, LESSON)
    edge.happens(StartAsked("ann"), LESSON)

    assert needs(edge, LESSON)


def test_a_domain_that_the_policy_does_not_name_is_not_recorded(edge: Edge) -> None:
    before = edge.dump()

    assert not needs(edge, StreamKey("other.example.com", "app", "room1"))
    assert edge.dump() == before


@pytest.mark.parametrize("key", [KEY, LESSON, StreamKey("live.example.com", "made", "up")])
def test_an_ask_is_answered_and_leaves_nothing(edge: Edge, key: StreamKey) -> None:
    """Whoever knows the URL can ask, for as many streams as he makes up."""
    before = edge.dump()
    needs(edge, key)

    assert edge.dump() == before


def test_no_command_goes_out_while_live_waits_for_the_answer(edge: Edge) -> None:
    edge.happens(StartAsked("ann"))
    before = list(edge.live.sent)
    needs(edge)

    assert edge.live.sent == before


# --- what the answer is worth -------------------------------------------------------------------


def test_an_ask_and_a_replay_withhold_no_start(edge: Edge) -> None:
    """Once no command was sent for the whole session, which was shown as recorded and confirmed."""
    edge.asks(LESSON)
    edge.record_callback(
        domain=LESSON.domain, app=LESSON.app, stream=LESSON.stream, event="record_started"
    )
    edge.clock.pass_ms(1_000)
    edge.ingest(key=LESSON)

    assert edge.live.sent == [Command.START]
    confirmation = edge.record(LESSON).confirmation
    assert confirmation is not None
    assert not confirmation.is_confirmed


def test_a_yes_that_live_did_not_hear_of_is_repaired_by_the_session_after(edge: Edge) -> None:
    needs(edge, LESSON)
    edge.clock.pass_ms(61_000)
    edge.ingest(key=LESSON)

    assert edge.live.sent == [Command.START]


# --- who is let in ------------------------------------------------------------------------------


def test_without_the_path_token_nobody_is_answered(edge: Edge) -> None:
    before = edge.dump()

    assert edge.asks(LESSON, token="another-token").status == 401
    assert edge.dump() == before


@pytest.mark.parametrize("domain", [HOST, f"{HOST}:8443"])
def test_a_signature_that_is_there_and_holds_is_fine(edge: Edge, domain: str) -> None:
    assert edge.asks(LESSON, headers=edge.signed(domain, RECORD_KEY)).json["NeedRecord"] is True


def test_a_signature_that_does_not_hold_is_answered_and_changes_nothing(edge: Edge) -> None:
    before = edge.dump()
    got = edge.asks(LESSON, headers=edge.signed("other.example.com", RECORD_KEY))

    assert (got.status, got.json["NeedRecord"]) == (200, True)
    assert edge.dump() == before


@pytest.mark.parametrize("default", ["true", "false"])
def test_a_question_that_cannot_be_read_gets_the_default(
    tmp_path: Path, clock: Clock, default: str
) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_ON_DEMAND_DEFAULT=default)
    got = edge.call(on_demand, "GET", f"/{TOKEN}", query={"app": "live"})

    assert (got.status, json.dumps(got.json["NeedRecord"])) == (200, default)


# --- when the store is down ---------------------------------------------------------------------


@pytest.mark.parametrize("default", ["true", "false"])
def test_without_the_store_the_configured_default_is_answered_and_told(
    tmp_path: Path, clock: Clock, default: str
) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_ON_DEMAND_DEFAULT=default)
    edge.database.unlink()
    edge.database.mkdir()

    assert json.dumps(needs(edge, LESSON)) == default
    assert any("on_demand.defaulted" in line for line in edge.lines)


@pytest.mark.slow
def test_a_store_that_can_only_be_read_does_not_hold_the_answer_up(edge: Edge) -> None:
    needs(edge)
    with sqlite3.connect(edge.database) as db:
        db.execute("BEGIN IMMEDIATE")
        assert needs(edge, LESSON)
        db.execute("ROLLBACK")


# --- whoever answered before us -----------------------------------------------------------------


def test_the_target_answers_where_no_intent_does(
    relaying: Callable[[str], Edge], theirs: Wire
) -> None:
    answer = {"NeedRecord": True, "Interval": {"Mp4": 300, "Flv": 1}, "Format": ["mp4", "avi"]}
    theirs.script(said({"ApiVersion": "1.0", **answer, "Secret": "x" * 3000}), said(answer))
    edge = relaying("")
    edge.asks()
    got = edge.asks()

    assert got.json == {
        "ApiVersion": "1.0",
        "NeedRecord": True,
        "Interval": {"Mp4": 300},
        "Format": ["mp4"],
    }
    assert theirs.seen[-1].query["tenant"] == "7"
    assert theirs.seen[-1].query["stream"] == KEY.stream


def test_a_intent_is_stronger_than_the_target(
    relaying: Callable[[str], Edge], theirs: Wire
) -> None:
    theirs.script(said({"NeedRecord": False}))
    edge = relaying("")
    edge.happens(StartAsked("ann"))

    assert needs(edge)


def test_a_hold_is_stronger_than_the_target(relaying: Callable[[str], Edge], theirs: Wire) -> None:
    theirs.script(said({"NeedRecord": True}))
    edge = relaying("")
    edge.happens(StopAsked("ann"))

    assert not needs(edge)


@pytest.mark.parametrize(
    "step",
    [RESET, said({"NeedRecord": True}, 500), said({"NeedRecord": "yes"}), Step(b"no http")],
    ids=["reset", "500", "no answer in it", "garbage"],
)
def test_a_silent_target_leaves_it_to_the_rule(
    relaying: Callable[[str], Edge], theirs: Wire, step: Step
) -> None:
    theirs.script(step)
    edge = relaying("")

    assert (needs(edge, LESSON), needs(edge)) == (True, False)
    assert any("relay.silent" in line for line in edge.lines)


def test_what_was_passed_on_before_goes_no_further(
    relaying: Callable[[str], Edge], theirs: Wire
) -> None:
    theirs.script(said({"NeedRecord": True}))
    got = relaying("").asks(headers={"X-Live-Record-Relayed": "1"})

    assert (got.json["NeedRecord"], theirs.seen) == (False, [])


def test_in_observe_mode_the_answer_is_the_targets(
    relaying: Callable[[str], Edge], theirs: Wire
) -> None:
    theirs.script(said({"NeedRecord": False}), said({"NeedRecord": True}))
    edge = relaying('mode = "observe"')

    assert (needs(edge, LESSON), needs(edge)) == (False, True)


def test_in_observe_mode_without_a_target_nothing_is_recorded(tmp_path: Path, clock: Clock) -> None:
    assert not needs(Edge(tmp_path, clock, LIVE_RECORD_MODE="observe"), LESSON)

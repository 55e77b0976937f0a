"""The state that a stage hands over: what is in it, and what another stage makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.protocol import (
    Command,
    Polled,
    Published,
    StartAsked,
    StopAsked,
    StreamKey,
    TimePassed,
    Unpublished,
)
from shared.protocol.command_errors import Throttled
from shared.protocol.durations import instant
from shared.protocol.state.invariants import broken
from tests.conftest import KEY, NOON, Clock
from tests.protocol.random_walks import Walk
from tests.support.scripted_stage import Got, Stage

MakeStage = Callable[[str], Stage]


@pytest.fixture
def make_stage(tmp_path: Path, clock: Clock) -> Iterator[MakeStage]:
    made = list[Stage]()

    def make(name: str, **settings: str) -> Stage:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Stage(folder, clock, **settings))
        return made[-1]

    yield make
    for stage in made:
        stage.store.close()


@pytest.fixture
def first(make_stage: MakeStage) -> Stage:
    return make_stage("first")


@pytest.fixture
def second(make_stage: MakeStage) -> Stage:
    return make_stage("second")


def export(stage: Stage, **query: str) -> Got:
    return stage.ask("GET", "/v1/state", query=query)


def take_over(stage: Stage, streams: object) -> Got:
    return stage.ask("POST", "/v1/state/import", {"streams": streams})


def room(number: int) -> StreamKey:
    return StreamKey(KEY.domain, KEY.app, f"room {number}/甲")


def test_intents_ends_and_holds_are_the_same_after_an_import(first: Stage, second: Stage) -> None:
    first.happens(Published(NOON))
    first.start({"max_duration": "2h", "note": "show"})
    first.happens(StopAsked("ann", hold=3_600_000), room(1))
    answer = take_over(second, export(first).json["streams"])
    assert (answer.status, answer.json) == (200, {"imported": 2, "kept": 0, "refused": []})

    ours, theirs = (stage.store.load(KEY).record.intent for stage in (second, first))
    assert (ours.until, ours.note, ours.who) == (theirs.until, "show", "ops")
    assert second.store.load(room(1)).record.held_at(NOON + 1)


def test_a_stop_during_an_occurrence_bars_that_one_on_the_other_stage_too(
    first: Stage, second: Stage, clock: Clock
) -> None:
    schedule = {
        "streams": [str(KEY)],
        "start": "2025-11-22T16:00:00",
        "end": "2025-11-22T18:00:00",
        "timezone": "Asia/Shanghai",
        "rrule": "FREQ=DAILY",
    }
    clock.now = instant("2025-11-22T08:30:00Z")
    first.ask("PUT", "/v1/schedules/daily", schedule)
    first.stop({})

    assert take_over(second, export(first).json["streams"]).json["imported"] == 1
    second.ask("PUT", "/v1/schedules/daily", schedule)

    assert not second.store.load(KEY).record.intent.wanted
    clock.now = instant("2025-11-23T08:00:00Z")
    second.happens(TimePassed())
    assert second.store.load(KEY).record.intent.wanted


def test_the_same_import_again_changes_nothing(first: Stage, second: Stage) -> None:
    first.start()
    streams = export(first).json["streams"]
    take_over(second, streams)
    before = second.store.load(KEY).record
    assert take_over(second, streams).json["kept"] == 1
    assert second.store.load(KEY).record == before


def test_only_streams_that_say_something_are_exported_page_by_page(first: Stage) -> None:
    for number in range(5):
        first.happens(StartAsked("ann"), room(number))
    first.happens(Published(NOON), room(8))
    first.happens(Unpublished(NOON + 1), room(8))
    names: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        query = {"limit": "2", **({"cursor": page["next"]} if page["next"] else {})}
        page = export(first, **query).json
        assert len(page["streams"]) <= 2
        names += [state["stream"] for state in page["streams"]]
    assert names == [room(number).stream for number in range(5)]


def test_a_stop_that_was_not_answered_yet_is_marked(first: Stage) -> None:
    first.happens(Published(NOON))
    first.start()
    first.live.answers(Command.STOP, Throttled("Throttling", retry_after=20_000))
    first.stop()
    assert export(first).json["streams"][0]["stop_unsent"] is True


def test_a_domain_that_the_stage_does_not_serve_is_refused_alone(
    first: Stage, second: Stage
) -> None:
    first.start()
    (state,) = export(first).json["streams"]
    answer = take_over(second, [{**state, "domain": "other.example.com"}, state]).json
    assert (answer["imported"], len(answer["refused"])) == (1, 1)
    assert answer["refused"][0]["stream"].startswith("other.example.com/")


BAD: list[object] = [
    None,
    "all",
    [7],
    [{}],
    [{"domain": KEY.domain, "app": "a", "stream": "b"}],
    [{"domain": KEY.domain, "app": "a", "stream": "b", "intent": {}}],
    [{"domain": KEY.domain, "app": "a", "stream": "b", "intent": {"generation": "1"}}],
    [
        {
            "domain": KEY.domain,
            "app": "a",
            "stream": "b",
            "intent": {"generation": 1, "wanted": True, "requester": "end"},
        }
    ],
    [
        {
            "domain": KEY.domain,
            "app": "a",
            "stream": "b",
            "intent": {
                "generation": 1,
                "wanted": True,
                "requester": "person",
                "until": 10**30,
            },
        }
    ],
    [{}] * 51,
]


@pytest.mark.parametrize("streams", BAD, ids=lambda value: str(value)[-60:])
def test_what_no_stage_exports_is_refused_whole(second: Stage, streams: object) -> None:
    answer = take_over(second, streams)
    assert answer.refusal[0] == 400
    assert answer.json["errors"][0]["field"] == "streams"
    assert export(second).json["streams"] == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/state"), ("POST", "/v1/state/import")])
def test_it_needs_a_token_that_may_control(first: Stage, method: str, path: str) -> None:
    assert first.ask(method, path, token="eye-token").status == 403


def test_a_wanted_stream_that_is_off_the_air_is_taken_over_with_its_session(
    first: Stage, second: Stage
) -> None:
    first.happens(Published(NOON))
    first.start({"max_duration": "2h"})
    first.happens(Unpublished(NOON + 10_000))
    for _ in range(2):
        first.clock.pass_ms(20_000)
        first.happens(Polled(None, first.clock.now))
    assert first.store.load(KEY).record.is_off
    assert take_over(second, export(first).json["streams"]).json["imported"] == 1

    ours, theirs = (stage.store.load(KEY).record for stage in (second, first))
    assert (ours.session, ours.intent.until) == (theirs.session, theirs.intent.until)
    second.happens(Published(second.clock.now))
    assert second.live.sent == [Command.START]


def test_every_record_of_a_random_walk_can_be_taken_over(second: Stage) -> None:
    for seed in range(60):
        walk = Walk(seed)
        *_, (_, record) = walk.steps(30)
        if record.intent.generation and not broken(record):
            state = {"intent": record.intent, "session": record.session}
            names = {"domain": KEY.domain, "app": KEY.app, "stream": f"walk{seed}"}
            body = msgspec.to_builtins({**names, **state})
            assert take_over(second, [body]).status == 200, seed

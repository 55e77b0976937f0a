"""Reconcile's steps: what is due is sent first, and no step and no event stops another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from shared.config.policy_cache import POLICY_AGE_MS
from shared.engine.recorder import HandlingOptions
from shared.engine.workers import ThreadWorkers
from shared.inbound.function_compute import InvocationFailed
from shared.outbound.live.client import UndeliveredCallback
from shared.protocol import Command, Published, StartAsked, StopAsked, StreamKey, Unpublished
from shared.protocol.command_errors import Throttled
from shared.store.contract import InForce, Watched
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, Clock
from tests.support.callback_stage import LESSON
from tests.support.reconciling import InlineWorkers, ReconcilingStage

ONLY_STORE = HandlingOptions(may_send=lambda: False)
PATIENCE_S = 120
SURROGATE = "\ud800"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[ReconcilingStage]:
    stage = ReconcilingStage(tmp_path, clock)
    yield stage
    stage.app.store.close()


def waits_to_start(stage: ReconcilingStage, key: StreamKey = KEY) -> None:
    """Make a start due that nobody has sent."""
    stage.happens(Published(stage.clock.now), key)
    stage.invocation().handle(key, StartAsked("ann"), ONLY_STORE)
    stage.listing.up[key] = stage.clock.now // 1000 * 1000


def lost_file(uri: str, key: StreamKey = KEY) -> UndeliveredCallback:
    file = {"domain": key.domain, "app": key.app, "stream": key.stream, "uri": uri}
    return UndeliveredCallback("", json.dumps({**file, "start_time": 1, "stop_time": 2}), 1)


# --- draining runs first, beside the rest -------------------------------------------------------


def test_what_is_due_is_sent_while_the_online_list_is_still_read(
    stage: ReconcilingStage,
) -> None:
    """With real threads: Live's list comes only after the command has arrived."""
    waits_to_start(stage)
    arrived, listed = threading.Event(), list[bool]()
    stage.listing.sends = lambda _key: arrived.set()
    stage.listing.meanwhile = lambda: listed.append(arrived.wait(PATIENCE_S))
    stage.app = replace(
        stage.app, workers=ThreadWorkers, wait=lambda _s: None, monotonic=lambda: 0.0
    )
    stage.minute()

    assert listed == [True]
    assert stage.listing.carried == [(Command.START, KEY)]


def test_the_policy_in_force_is_read_before_any_thread_could_decide_by_an_old_one(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, in_force = list[str](), stage.app.store.in_force

    def noted() -> InForce:
        order.append("policy")
        return in_force()

    class NotedWorkers(InlineWorkers):
        def start(self, job: Callable[[], None]) -> None:
            order.append("job")
            super().start(job)

    stage.clock.pass_ms(POLICY_AGE_MS)
    monkeypatch.setattr(stage.app.store, "in_force", noted)
    stage.app = replace(stage.app, workers=NotedWorkers)
    stage.minute()

    assert order[:2] == ["policy", "job"]


@pytest.mark.parametrize("step", ["resync", "replay"])
def test_a_step_that_crashes_stops_no_other(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    waits_to_start(stage)
    stage.listing.up[LESSON] = stage.clock.now
    stage.listing.lost = [lost_file("a.mp4")]
    reads = {"resync": "online", "replay": "undelivered_record_events"}

    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("an answer that nobody expected")

    monkeypatch.setattr(stage.listing, reads[step], crash)
    answer = stage.minute()

    assert answer["failed"] == [step]
    assert (Command.START, KEY) in stage.listing.carried
    assert bool(stage.app.store.files(KEY, 9)) is (step != "replay")
    assert (stage.record(LESSON).session is not None) is (step != "resync")
    (line,) = stage.logged(f"{step}.crashed")
    assert "ZeroDivisionError" in line["error"]


def test_one_domain_that_crashes_stops_no_other(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StreamKey("live2.example.com", "app", "room1")
    policy = {
        "domain": [
            {"streaming": KEY.domain, "ingest": ["push.example.com"]},
            {"streaming": other.domain, "ingest": ["push2.example.com"]},
        ]
    }
    assert stage.app.store.put_policy(json.dumps(policy), replaces=0)
    stage.listing.up[other] = stage.clock.now
    online = stage.listing.online

    def crash_for_one(domain: str, **credentials: object) -> list[tuple[StreamKey, int]]:
        if domain == KEY.domain:
            raise ZeroDivisionError("an answer that nobody expected")
        return online(domain, **credentials)

    monkeypatch.setattr(stage.listing, "online", crash_for_one)
    stage.minute()

    assert stage.record(other).session is not None


def test_a_run_that_never_reached_the_store_fails(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("gone")

    for name in ("register", "touch", "age_ms", "in_force", "watched", "now"):
        monkeypatch.setattr(stage.app.store, name, away)
    with pytest.raises(InvocationFailed):
        stage.minute()


def test_a_run_goes_on_once_the_store_is_back(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_to_start(stage)
    register, tries = stage.app.store.register, list[int]()

    def away_at_first(name: str, who: str, ms: int) -> int:
        tries.append(1)
        if len(tries) < 20:
            raise StoreUnavailable("gone")
        return register(name, who, ms)

    monkeypatch.setattr(stage.app.store, "register", away_at_first)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_what_came_up_while_the_store_was_away_is_found_as_soon_as_it_is_back(
    stage: ReconcilingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.listing.up[KEY] = stage.clock.now
    watched, tries = stage.app.store.watched, list[int]()

    def away_at_first(domain: str) -> Sequence[Watched]:
        tries.append(1)
        if len(tries) < 4:
            raise StoreUnavailable("gone")
        return watched(domain)

    monkeypatch.setattr(stage.app.store, "watched", away_at_first)
    answer = stage.minute()

    assert (answer["differences"], answer["failed"]) == (1, [])
    assert len(stage.logged("store.unavailable")) == 1


# --- what cannot be stored ----------------------------------------------------------------------


def test_an_undelivered_callback_that_cannot_be_stored_stops_nothing(
    stage: ReconcilingStage,
) -> None:
    waits_to_start(stage)
    stage.listing.lost = [lost_file(f"{SURROGATE}\0.mp4"), lost_file("b.mp4")]
    answer = stage.minute()

    assert (answer["undelivered"], answer["failed"]) == (2, [])
    assert stage.listing.carried == [(Command.START, KEY)]
    assert {file.uri for file in stage.app.store.files(KEY, 9)} == {"\ufffd\ufffd.mp4", "b.mp4"}


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": f"{SURROGATE}.mp4", "start_time": 1, "stop_time": 2},
        {"VideoId": f"{SURROGATE}", "EventType": "AddLiveRecordVideoComplete"},
        {"event": "record_error", "error_info": {"code": SURROGATE, "message": f"a\0{SURROGATE}"}},
        {"event": "transformat_error", "file_info": {"uri": f"{SURROGATE}.mp4"}},
        {"event": SURROGATE},
    ],
    ids=["file", "vod", "failure", "lost file", "unknown"],
)
def test_a_callback_with_text_that_cannot_be_stored_is_taken(
    stage: ReconcilingStage, fields: dict[str, object]
) -> None:
    assert stage.record_callback(**fields).status == 200
    assert stage.logged("request.crashed") == []


def test_an_answer_of_live_that_cannot_be_stored_is_taken(stage: ReconcilingStage) -> None:
    stage.happens(Published(stage.clock.now))
    stage.listing.answers(Command.START, Throttled(f"Throttling.{SURROGATE}", f"\0{SURROGATE}"))
    stage.happens(StartAsked("ann"))

    answer = stage.record().answer
    assert answer is not None
    assert answer.code == "Throttling.\ufffd"


# --- what health and the log know of it ---------------------------------------------------------


def test_a_run_that_was_woken_is_no_resync(stage: ReconcilingStage) -> None:
    stage.minute()
    stage.clock.pass_ms(600_000)
    stage.woken()
    ages = stage.app.store.ages()

    assert ages["reconciled"] < 10_000
    assert min(ages["resync began"], ages["resync done"], ages["replay began"]) >= 600_000


def test_what_a_reconcile_decides_and_sends_is_in_the_log_once(stage: ReconcilingStage) -> None:
    waits_to_start(stage)
    stage.listing.up[LESSON] = stage.clock.now
    stage.lines.clear()
    stage.minute()

    lines = [(line["event"], line["stream"]) for line in stage.logged("stream.")]
    assert lines.count(("stream.sent", str(KEY))) == 1
    assert lines.count(("stream.seen_online", str(LESSON))) == 1
    assert lines.count(("stream.sent", str(LESSON))) == 1
    codes = [entry.entry.code.value for entry in stage.app.store.history(LESSON, 99)]
    assert [name for name, of in lines if of == str(LESSON)] == [f"stream.{c}" for c in codes[::-1]]


def test_a_poll_that_coincides_with_a_command_is_made(stage: ReconcilingStage) -> None:
    """An ending session is polled 5 s after its end; the stop becomes due at the same time."""
    stage.happens(Published(stage.clock.now))
    stage.happens(StartAsked("ann"))
    stage.clock.pass_ms(60_000)
    stage.happens(Unpublished(stage.clock.now))
    stage.listing.answers(Command.STOP, Throttled("Throttling", retry_after=5_000))
    stage.happens(StopAsked("ann"))
    stage.clock.pass_ms(5_000)
    stage.listing.polls = 0
    stage.listing.carried.clear()
    stage.woken()

    session = stage.record().session
    assert session is not None
    assert stage.listing.carried[:1] == [(Command.STOP, KEY)]
    assert stage.listing.polls == session.polls > 0


def test_a_poll_that_a_callback_may_not_make_is_left_to_a_reconcile(
    stage: ReconcilingStage,
) -> None:
    stage.happens(Published(stage.clock.now))
    stage.happens(StartAsked("ann"))
    stage.clock.pass_ms(60_000)
    stage.happens(Unpublished(stage.clock.now))
    stage.clock.pass_ms(4_900)
    stage.listing.answers(Command.STOP, Throttled("Throttling", retry_after=200))
    call = stage.invocation()
    call.handle(KEY, StopAsked("ann"), HandlingOptions(slot_wait_ms=250))

    assert stage.listing.carried[-2:] == [(Command.STOP, KEY)] * 2  # the second in a time passed
    session = stage.record().session
    assert session is not None
    assert (session.polls, stage.listing.polls) == (0, 0)

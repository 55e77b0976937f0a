"""GET /v1/metrics: what Prometheus reads of a stage, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from functions import on_demand, record_command, stream_events
from functions.record_command.metrics import FAMILIES
from shared.engine.recorder import HandlingOptions
from shared.engine.tally import STORED_EVERY_MS
from shared.invocation.composition import build
from shared.protocol import Command, Published, StreamKey, TimePassed
from shared.protocol.command_errors import AlreadyStarted, Throttled
from shared.store import Store, open_store
from tests.conftest import ENGINES, NOON, PATIENT, Clock
from tests.simulation.memory import MemoryStore
from tests.store.test_store_tasks import BIG, add, new
from tests.support.callback_stage import LESSON, TOKEN, Edge, Got
from tests.support.reconciling import ReconcilingStage
from tests.support.scripted_stage import Stage

TOKENS = "ops:read:ops-token"
Samples = Mapping[str, float]


def metrics(edge: Edge) -> Got:
    headers = {"Authorization": "Bearer ops-token"}
    return edge.call(record_command, "GET", "/v1/metrics", headers=headers)


def read(edge: Edge) -> Samples:
    """Return each sample by its name and labels, as Prometheus' own parser reads them."""
    return samples_of(metrics(edge).text)


def samples_of(text: str) -> Samples:
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sample.labels.items()): float(
            sample.value
        )
        for sample in found
    }


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Iterator[Edge]:
    edge = ReconcilingStage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield edge
    edge.app.store.close()


@pytest.fixture(params=(*ENGINES, "memory"))
def on_each_engine(
    request: pytest.FixtureRequest, tmp_path: Path, engines: Callable[[str], str], clock: Clock
) -> Iterator[Edge]:
    kind = request.param
    url = f"sqlite:///{tmp_path}/other.db"
    if kind in ("valkey", "redis"):
        url = f"{engines(kind)}?stage={uuid4().hex}&{PATIENT}"
    memory = MemoryStore(rate=45, clock=clock)
    store = cast("Store", memory) if kind == "memory" else open_store(url, rate=45, clock=clock)
    stage = ReconcilingStage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    built = build(stage.app.settings, clock, store)
    kept = {name: getattr(stage.app, name) for name in ("live", "log", "wait", "workers")}
    stage.app = replace(built, monotonic=stage.app.monotonic, **kept)
    yield stage
    store.close()


def story(edge: Edge) -> None:
    """Let a lesson begin, be throttled, be recorded and be started once too often; and let a
    stranger call."""
    edge.live.answers(Command.START, Throttled("Throttling.User"), AlreadyStarted("Already"))
    edge.ingest(key=LESSON)
    edge.clock.pass_ms(3_000)
    edge.happens(TimePassed(), LESSON)
    edge.ingest(key=LESSON)
    edge.call(stream_events, "GET", f"/callbacks/stream/{TOKEN}", query={"app": "made-up"})
    edge.clock.pass_ms(STORED_EVERY_MS)
    edge.record_callback(event="record_sung")


def test_every_metric_is_there_under_its_type_with_a_sentence(edge: Edge) -> None:
    families = list(text_string_to_metric_families(metrics(edge).text))
    listed = {family.name.removesuffix("_total"): family for family in FAMILIES}

    assert [family.name for family in families] == list(listed)
    assert all(family.type == listed[family.name].kind for family in families)
    assert all(family.documentation.endswith(".") for family in families)
    assert metrics(edge).kind == ("text/plain; version=0.0.4; charset=utf-8")


def test_names_are_as_prometheus_wants_them() -> None:
    for family in FAMILIES:
        assert family.name.startswith("live_record_")
        assert family.name.endswith("_total") is (family.kind == "counter")
        assert not family.name.endswith(("_ms", "_minutes", "_mb", "_count", "_sum", "_bucket"))


def test_every_engine_gives_the_same_numbers(on_each_engine: Edge) -> None:
    story(on_each_engine)
    found = read(on_each_engine)
    shown = {name: value for name, value in found.items() if "bytes" not in name and value}

    assert shown == {
        "live_record_commands_total command=start outcome=throttled": 1,
        "live_record_commands_total command=start outcome=already": 1,
        "live_record_callbacks_total kind=stream result=stored": 2,
        "live_record_callbacks_total kind=stream result=rejected": 1,
        "live_record_callbacks_total kind=record result=ignored": 1,
        "live_record_ready": 1,
        "live_record_problem code=wake_unreachable": 1,
        "live_record_streams phase=queued": 1,
        "live_record_due_streams": 1,
        "live_record_due_oldest_seconds": 10,
        "live_record_rate_limit_slots": pytest.approx(45),
        "live_record_rate_limit_used_slots": pytest.approx(2 / 60, abs=0.01),
    }


def test_a_start_is_timed_from_when_it_was_due(edge: Edge) -> None:
    edge.live.answers(Command.START, Throttled("Throttling.User"))
    edge.ingest(key=LESSON)
    edge.clock.pass_ms(3_000)
    edge.happens(TimePassed(), LESSON)
    found, name = read(edge), "live_record_start_duration_seconds"

    assert (found[f"{name}_bucket le=2.0"], found[f"{name}_bucket le=5.0"]) == (0, 1)
    assert (found[f"{name}_bucket le=+Inf"], found[f"{name}_count"]) == (1, 1)
    assert found[f"{name}_sum"] == 3


def test_what_is_wrong_shows_with_its_age(edge: Edge) -> None:
    invocation = edge.invocation()
    invocation.handle(LESSON, Published(NOON), HandlingOptions(may_send=lambda: False))
    edge.clock.pass_ms(40_000)
    found = read(edge)

    assert found["live_record_not_recorded_streams"] == 1
    assert found["live_record_not_recorded_oldest_seconds"] == 40
    assert found["live_record_due_streams"] == 1
    assert found["live_record_due_oldest_seconds"] == 40
    assert found["live_record_problem code=not_recorded"] == 1


def test_what_the_store_had_no_room_for_is_counted(edge: Edge) -> None:
    add(edge.app.store, *(new(str(number), BIG) for number in range(9)))

    assert read(edge)["live_record_deliveries_dropped_total"] == 2


def test_the_steps_of_reconcile_show_their_ages(edge: ReconcilingStage) -> None:
    edge.minute()
    at = edge.clock.now
    edge.clock.pass_ms(75_000)
    found = read(edge)

    for step in ("drain", "resync", "replay", "audit"):
        assert found[f"live_record_step_end_age_seconds step={step}"] >= 75
        began = found[f"live_record_step_begin_age_seconds step={step}"]
        assert began <= (edge.clock.now - NOON) / 1000
    assert at > NOON


def test_nothing_names_a_stream_a_domain_or_a_token(edge: Edge) -> None:
    story(edge)
    text = metrics(edge).text

    assert all(word not in text for word in ("lesson", "classroom", "example", "token", "made-up"))


def test_a_store_that_is_away_is_a_problem_and_no_numbers(tmp_path: Path, clock: Clock) -> None:
    got = Stage(tmp_path, clock, LIVE_RECORD_STORE="redis://127.0.0.1:1").ask("GET", "/v1/metrics")

    assert got.refusal == (503, "StoreUnavailable")


class CountedCalls:
    """A store that notes each call of it: on Redis each is one round trip."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        def noted(*args: object, **named: object) -> object:
            self.calls.append(name)
            return cast("object", getattr(self._store, name)(*args, **named))

        return noted


def counted(tmp_path: Path, clock: Clock) -> tuple[Edge, CountedCalls]:
    """Return a stage that has read what a process reads once, and its store."""
    edge = Edge(tmp_path, clock)
    calls = CountedCalls(edge.app.store)
    built = build(edge.app.settings, clock, cast("Store", calls))
    kept = {name: getattr(edge.app, name) for name in ("live", "log", "monotonic")}
    edge.app = replace(built, **kept)
    edge.ingest(key=StreamKey("live.example.com", "other", "room"))
    edge.record_callback(event="record_started")
    calls.calls.clear()
    return edge, calls


def test_a_publish_and_its_start_cost_no_call_more(tmp_path: Path, clock: Clock) -> None:
    edge, store = counted(tmp_path, clock)
    edge.ingest(key=LESSON)

    needed = ["is_among_first", "load", "save_or_claim", "save_or_claim", "may_wake_one"]
    assert [name for name in store.calls if name in needed or name == "count"] == needed


def test_callbacks_that_save_nothing_cost_one_write_in_ten_seconds(
    tmp_path: Path, clock: Clock
) -> None:
    edge, store = counted(tmp_path, clock)
    for _ in range(20):
        edge.call(on_demand, "GET", "/callbacks/on-demand/guessed")
        edge.call(stream_events, "GET", f"/callbacks/stream/{TOKEN}", query={"app": "made-up"})
    assert store.calls.count("count") <= 1
    clock.pass_ms(STORED_EVERY_MS)
    edge.asks()

    counters = edge.app.store.counters()
    assert counters['live_record_callbacks_total{kind="on_demand",result="rejected"}'] == 20
    assert counters['live_record_callbacks_total{kind="stream",result="rejected"}'] == 20
    assert store.calls.count("count") <= 2

"""A full engine: a stop is stored, sent and answered; whatever would grow is refused, whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from redis import Redis

from cli.local.redis_server import Engine
from functions.reconcile import SLOT_WAIT_MS
from shared.engine.recorder import HandlingOptions
from shared.engine.workers import ThreadWorkers
from shared.outbox.message import MessageBody, message_task
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import NewTask, TaskKind
from shared.outbox.verify_file import verify_file
from shared.protocol import Command, Phase, Published, StreamKey
from shared.protocol.command_errors import Unavailable
from shared.protocol.file import File, FileVerdict
from shared.protocol.state.recording import StreamRecord
from shared.store import open_store
from shared.store.contract import Save, Stored
from shared.store.sqlite import SqliteStore
from shared.store.store_errors import StoreFull
from tests.conftest import ENGINES, KEY, NOON, Clock, program
from tests.support.scripted_stage import Stage
from tests.support.settling import settle

pytestmark = pytest.mark.slow

FILLER_BYTES = 8_000_000
OTHER = StreamKey("live.example.com", "app", "other")
RECONCILE = HandlingOptions(slot_wait_ms=SLOT_WAIT_MS, may_query_live=True)


@dataclass
class Full:
    """A stage, and how to fill its engine and to empty it again."""

    stage: Stage
    fill: Callable[[], None]
    make_room: Callable[[], None]


@contextmanager
def full_redis(kind: str, folder: Path, clock: Clock) -> Iterator[Full]:
    options = {"maxmemory-policy": "noeviction"}
    with Engine(folder / "engine", program=program(kind), options=options) as engine:
        client = Redis.from_url(engine.url)

        def fill() -> None:
            client.set("filler", "x" * FILLER_BYTES)
            client.config_set("maxmemory", FILLER_BYTES)

        def make_room() -> None:
            client.config_set("maxmemory", 0)

        stage = Stage(folder, clock, LIVE_RECORD_STORE=engine.url)
        stage.store = open_store(engine.url, rate=stage.app.settings.rate, clock=clock)
        stage.app = replace(stage.app, store=stage.store)
        yield Full(stage, fill, make_room)
        stage.store.close()
        client.close()


@contextmanager
def full_sqlite(folder: Path, clock: Clock) -> Iterator[Full]:
    stage = Stage(folder, clock)
    store = cast("SqliteStore", stage.store)

    def limit(pages: int) -> None:
        store._open().execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        limit(120)
        with suppress(StoreFull):
            for number in range(9_999):
                stage.happens(Published(NOON), StreamKey("live.example.com", "app", f"f{number}"))

    yield Full(stage, fill, lambda: limit(1_000_000))


@pytest.fixture(params=ENGINES)
def full(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Full]:
    if request.param == "sqlite":
        with full_sqlite(tmp_path, clock) as found:
            yield found
    else:
        with full_redis(request.param, tmp_path, clock) as found:
            yield found


def recorded(full: Full) -> Stage:
    stage = full.stage
    stage.happens(Published(NOON))
    assert stage.start().status == 200
    stage.clock.pass_ms(1_000)
    return stage


def test_a_stop_is_stored_sent_and_answered(full: Full) -> None:
    stage = recorded(full)
    full.fill()

    got = stage.stop()

    assert got.status == 200
    assert stage.live.sent == [Command.START, Command.STOP]
    record = stage.store.load(KEY).record
    assert record.answer is not None
    assert record.answer.command is Command.STOP
    assert (record.flight, record.pending) == (None, None)
    assert stage.store.phases()[Phase.IDLE] >= 1


def test_what_it_leaves_out_of_a_stop_is_counted(full: Full) -> None:
    stage = recorded(full)
    loaded = stage.store.load(KEY)
    full.fill()
    tasks = tuple(NewTask(name, TaskKind.EVENT, "x" * 100_000) for name in ("a", "b"))
    saved = stage.store.save_or_claim(
        Save(loaded.version, loaded.record, must_fit=True, tasks=tasks)
    )
    assert isinstance(saved, Stored)
    assert saved.dropped_tasks == stage.store.outbox().dropped == 2
    assert stage.store.outbox().open == 0


def test_every_one_of_many_stops_is(full: Full) -> None:
    stage = full.stage
    keys = [StreamKey("live.example.com", "app", f"s{number:03d}") for number in range(60)]
    for key in keys:
        stage.happens(Published(NOON), key)
        assert stage.ask("POST", f"/v1/recordings/{key}/start").status == 200
        stage.clock.pass_ms(100)
    full.fill()

    for key in keys:
        assert stage.ask("POST", f"/v1/recordings/{key}/stop").status == 200
        stage.clock.pass_ms(100)
    assert stage.live.sent.count(Command.STOP) == len(keys)


def test_a_message_about_it_is_stored_and_taken(full: Full) -> None:
    full.fill()
    store, task = full.stage.store, message_task(MessageBody("ops", "the store is full"), 0)

    assert store.put_alerts("{}", replaces=0, tasks=[task]) == 0
    assert store.take_slot("robot:ops", 3_500, 0) is not None
    (taken,) = store.take_tasks("message", limit=9, lease_ms=9_000)
    assert settle(store, taken, Settlement(Next.DONE))


def test_a_stop_of_a_stream_that_nobody_knows_is_stored_too(full: Full) -> None:
    full.fill()

    assert full.stage.stop().status == 200
    assert full.stage.live.sent == [Command.STOP]


def test_a_stop_that_live_did_not_take_is_retried_and_a_stop_by_time_goes_out(full: Full) -> None:
    stage = recorded(full)
    stage.ask("POST", f"/v1/recordings/{KEY}/extend", {"max_duration": "60s", "allow_short": True})
    full.fill()
    stage.live.answers(Command.STOP, Unavailable("ServiceUnavailable"))
    stage.clock.pass_ms(60_000)

    for _ in range(2):
        call = stage.call()
        call.dispatcher(RECONCILE).drain(ThreadWorkers())
        stage.clock.pass_ms(1_000)

    assert stage.live.sent == [Command.START, Command.STOP, Command.STOP]
    assert stage.store.load(KEY).record.pending is None
    stage.store.touch("reconciled")
    assert stage.store.age_ms("reconciled") == 0


def test_whatever_would_grow_is_refused_and_changes_nothing(full: Full) -> None:
    stage = full.stage
    full.fill()
    refused = []
    for number in range(50):
        key = StreamKey("live.example.com", "app", f"late{number}")
        phases, queue = stage.store.phases(), stage.store.queue()
        try:
            stage.happens(Published(NOON), key)
        except StoreFull:
            refused.append(key)
            assert stage.store.load(key).version == 0
            assert (stage.store.phases(), stage.store.queue()) == (phases, queue)

    assert refused
    full.make_room()
    stage.happens(Published(NOON), refused[0])
    assert stage.store.load(refused[0]).version > 0


def test_a_start_is_answered_with_what_is_wrong(full: Full) -> None:
    full.fill()
    answers = [
        full.stage.ask("POST", f"/v1/recordings/live.example.com/app/late{number}/start")
        for number in range(9)
    ]

    assert (503, "StoreFull") in [got.refusal for got in answers if got.status != 200]


def test_a_stream_is_forgotten_by_a_full_engine_too(full: Full) -> None:
    stage = full.stage
    stage.happens(Published(NOON))
    full.fill()
    before = stage.store.load(KEY)

    assert before.version > 0
    stage.store.save_or_claim(Save(before.version, StreamRecord(KEY)))
    assert stage.store.load(KEY).version == 0


def test_a_task_is_taken_and_settled_on_a_full_engine_too(full: Full) -> None:
    store, file = full.stage.store, File("record/1.flv", NOON, NOON + 1_000)
    tasks = verify_file(KEY, file.uri)
    store.save_or_claim(Save(0, StreamRecord(KEY, changed_at=1), files=(file,), tasks=tasks))
    full.fill()
    for settled in (Settlement(Next.RETRY, why="OSS is away"), Settlement(Next.DEAD, why="no")):
        (task,) = store.take_tasks("verify_file", limit=9, lease_ms=9_000)
        verdict = FileVerdict("missing", NOON)
        assert settle(store, task, replace(settled, uri=file.uri, verdict=verdict))
    assert [one.task.why for one in store.dead_letters(after="", limit=9)] == ["no"]
    assert store.file(KEY, file.uri) == replace(file, verdict=FileVerdict("missing", NOON))


def test_a_token_is_revoked_on_a_full_engine_too(full: Full) -> None:
    stage = full.stage
    body = {"name": "tv", "digest": "ab" * 32, "scopes": ["read"]}
    assert stage.ask("POST", "/v1/tokens", body).status == 200
    full.fill()

    assert stage.ask("DELETE", "/v1/tokens/tv").status == 200
    assert stage.store.tokens() == {}


def test_a_token_that_does_not_fit_is_not_in_force(full: Full) -> None:
    full.fill()
    bodies = [
        {"name": f"tv{number}", "digest": f"{number:064x}", "scopes": ["read"]}
        for number in range(200)
    ]
    answers = [full.stage.ask("POST", "/v1/tokens", body) for body in bodies]
    stored = full.stage.store.tokens()

    assert (503, "StoreFull") in [got.refusal for got in answers if got.status != 200]
    assert [b["name"] in stored for b in bodies] == [got.status == 200 for got in answers]

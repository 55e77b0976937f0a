"""A crowd comes up: two reconciles are at it, and whoever's callback was refused is found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.engine.resync import ONLY_STORE
from shared.engine.step_marks import RESYNC
from shared.engine.worker_lease import (
    BACKFILL_AGAIN_MS,
    BACKFILL_LEAST_MS,
    BackfillTimer,
    WorkerLease,
)
from shared.invocation.app import App
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.outbound.live import LiveClient
from shared.outbound.wake import Wake
from shared.protocol import Command, Published, StreamKey
from shared.store import Store
from tests.conftest import Clock, OpenStore
from tests.support.callback_stage import ENVIRONMENT

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com" }
on_publish = "record"
"""
MISSED = StreamKey("live.example.com", "app", "missed")


def wall() -> int:
    return time.time_ns() // 1_000_000


BEGAN = wall() // 1000 * 1000


@dataclass
class BusyLive:
    """Takes a while for each command; `up` is what its list says is online."""

    connect_timeout: int = 800
    read_timeout: int = 1500
    up: list[StreamKey] = field(default_factory=list)
    sent: list[StreamKey] = field(default_factory=list)
    lists: int = 0

    def prepare(self) -> None:
        """Nothing is slow here."""

    def send(self, _command: Command, key: StreamKey, **_credentials: object) -> str:
        self.sent.append(key)
        time.sleep(0.05)
        return "R"

    def online(self, _domain: str, **_credentials: object) -> Sequence[tuple[StreamKey, int]]:
        self.lists += 1
        return [(key, BEGAN) for key in self.up]


@dataclass
class Crowd:
    """Some streams came up and wait to be recorded; `wakes` counts who was called for help."""

    app: App
    live: BusyLive
    wakes: list[int]

    def waits(self, rooms: int) -> None:
        for number in range(rooms):
            key = StreamKey("live.example.com", "app", f"room{number}")
            self.live.up.append(key)
            self.call().handle(key, Published(BEGAN), ONLY_STORE)
        self.wakes.clear()

    def call(self) -> Invocation:
        return Invocation(self.app, SimpleNamespace(request_id="1-77"), seconds=60)

    def is_sent(self) -> None:
        options = HandlingOptions(
            slot_wait_ms=250, may_send=lambda: len(self.live.sent) < len(self.live.up)
        )
        call = self.call()
        reconcile, nothing_beside = call.dispatcher(options), call.side_steps({})
        reconcile.run(self.app.workers(), options.may_send, nothing_beside)


@pytest.fixture
def crowd(tmp_path: Path) -> Crowd:
    (tmp_path / "policy.toml").write_text(POLICY)
    store = f"sqlite:///{tmp_path}/records.db"
    own = {"LIVE_RECORD_STORE": store, "LIVE_RECORD_POLICY": str(tmp_path / "policy.toml")}
    live, wakes = BusyLive(), list[int]()
    app = replace(
        build(Settings.from_env({**ENVIRONMENT, **own}), wall),
        live=cast("LiveClient", live),
        wake=cast("Wake", lambda: wakes.append(1)),
    )
    app = replace(
        app, lease=partial(WorkerLease, app.store, "this", time.monotonic, heartbeat_s=0.02)
    )
    return Crowd(app, live, wakes)


def test_whoever_sends_a_crowd_calls_others(crowd: Crowd) -> None:
    crowd.waits(5)
    crowd.is_sent()

    assert crowd.wakes


def test_three_that_send_a_crowd_call_nobody(crowd: Crowd) -> None:
    crowd.waits(5)
    for who in ("another", "a third"):
        WorkerLease(crowd.app.store, who, time.monotonic, alive_ms=60_000).begin()
    crowd.is_sent()

    assert not crowd.wakes


def test_a_few_commands_call_nobody(crowd: Crowd) -> None:
    patient = partial(WorkerLease, crowd.app.store, "this", time.monotonic, heartbeat_s=60.0)
    crowd.app = replace(crowd.app, lease=patient)
    crowd.waits(2)
    crowd.is_sent()

    assert (crowd.wakes, crowd.live.lists) == ([], 0)


def test_whose_callback_was_refused_is_found_while_the_crowd_is_sent(crowd: Crowd) -> None:
    crowd.waits(5)
    crowd.live.up.append(MISSED)
    crowd.is_sent()

    assert sorted(crowd.live.sent) == sorted(crowd.live.up)


def test_what_a_comparison_that_lasts_has_found_is_sent_while_it_lasts(crowd: Crowd) -> None:
    def find_and_go_on() -> int:
        crowd.waits(1)
        deadline = time.monotonic() + 120
        while not crowd.live.sent and time.monotonic() < deadline:
            time.sleep(0.005)
        return len(crowd.live.sent)

    call, has_time = crowd.call(), lambda: True
    beside = call.side_steps({RESYNC: find_and_go_on})
    options = HandlingOptions(slot_wait_ms=250)
    call.dispatcher(options).run(crowd.app.workers(), has_time, beside)

    assert beside.results[RESYNC] == 1


def test_a_comparison_ends_with_the_time_and_begins_with_whom_we_know_nothing_of(
    crowd: Crowd,
) -> None:
    crowd.waits(3)
    crowd.live.up.append(MISSED)
    slow = count(step=1)
    crowd.app = replace(crowd.app, monotonic=lambda: float(next(slow)))
    assert Invocation(crowd.app, SimpleNamespace(request_id="1-77"), seconds=9).resync() < 4

    assert crowd.app.store.load(MISSED).record.session


def test_a_crowd_is_looked_for_until_somebody_has_since_it_was_seen(
    another_store: OpenStore, clock: Clock
) -> None:
    one, other = (BackfillTimer(another_store()) for _ in range(2))
    assert not one.is_due()
    one.note_burst()
    clock.pass_ms(100)
    assert other.is_due()
    other.note_resync()
    assert not one.is_due()
    clock.pass_ms(BACKFILL_LEAST_MS - 1)
    one.note_burst()
    assert not other.is_due()
    clock.pass_ms(1)
    assert other.is_due()


def test_while_a_crowd_is_sent_it_is_time_to_look_every_ten_seconds(
    store: Store, clock: Clock
) -> None:
    lookout = BackfillTimer(store)
    assert lookout.may_run_again()
    lookout.note_resync()
    clock.pass_ms(BACKFILL_AGAIN_MS - 1)
    assert not lookout.may_run_again()
    clock.pass_ms(1)
    assert lookout.may_run_again()

"""A stage whose store's clock is set back by an hour: what is due is done, and not in an hour."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from shared.engine.recorder import HandlingOptions
from shared.engine.resync import ONLY_STORE
from shared.protocol import Command, Published, StartAsked, StopAsked, StreamKey, Unpublished
from shared.protocol.reason import Reason
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session, SessionState
from shared.store.contract import Save
from tests.conftest import KEY, NOON, Clock
from tests.support.scripted_stage import Stage

HOUR_MS = 3_600_000
KEEP_MS = 30 * 24 * HOUR_MS
ENDED = Session(1, NOON, state=SessionState.ENDED, off_since=NOON)
PATIENT = HandlingOptions(slot_wait_ms=250, may_query_live=True)


class SteppedStage(Stage):
    """Waiting passes the store's time."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.app = replace(self.app, wait=lambda s: clock.pass_ms(round(s * 1000)))

    def reconciles(self) -> None:
        """Run what the timer runs, but for the lists."""
        call = self.call()
        nothing_beside = call.side_steps({})
        call.dispatcher(PATIENT).run(self.app.workers(), call.has_time, nothing_beside)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> SteppedStage:
    stage = SteppedStage(tmp_path, clock)
    stage.reconciles()
    return stage


def test_commands_that_wait_go_out_at_the_next_reconcile(stage: SteppedStage, clock: Clock) -> None:
    keys = [StreamKey("live.example.com", "app", f"room{number}") for number in range(3)]
    for key in keys:
        stage.call().handle(key, Published(clock.now), ONLY_STORE)
        stage.call().handle(key, StopAsked("ann"), ONLY_STORE)
    stage.store.take_due(3, 2_000)  # by a worker that is killed
    clock.pass_ms(-HOUR_MS)
    began = clock.now
    stage.reconciles()

    assert stage.live.sent == [Command.STOP] * 3
    assert clock.now - began < 15_000


def test_a_session_ends_within_the_usual_time(stage: SteppedStage, clock: Clock) -> None:
    stage.happens(Published(clock.now))
    stage.happens(StartAsked("ann"))
    stage.happens(Unpublished(clock.now))
    clock.pass_ms(-HOUR_MS)
    for _ in range(3):
        stage.reconciles()
        clock.pass_ms(60_000)
    record = stage.store.load(KEY).record

    assert record.is_off


def test_nothing_is_put_in_order_twice(stage: SteppedStage, clock: Clock) -> None:
    stage.call().handle(KEY, StopAsked("ann"), ONLY_STORE)
    clock.pass_ms(-HOUR_MS)
    stage.reconciles()
    version = stage.store.load(KEY).version
    stage.reconciles()

    assert stage.call().put_in_order() == 0
    assert stage.store.load(KEY).version == version


IDLE = StreamRecord(KEY, Intent(generation=2, reason=Reason.ASKED_STOP), changed_at=NOON)
"""As release 0.2 left a stream at rest: nothing says when it is forgotten."""


def test_what_release_0_2_left_at_rest_is_forgotten_in_its_time(
    tmp_path: Path, clock: Clock
) -> None:
    stage = SteppedStage(tmp_path, clock)
    stage.store.save_or_claim(Save(0, replace(IDLE, session=ENDED)))
    assert stage.store.next_due() is None
    stage.reconciles()
    assert stage.store.load(KEY).record.forget_at == NOON + KEEP_MS

    clock.pass_ms(KEEP_MS)
    for _ in range(61):  # nothing is forgotten within an hour of a gap
        stage.store.register("reconcile", "timer", 2_000)
        clock.pass_ms(60_000)
    stage.reconciles()

    assert stage.store.load(KEY).version == 0

"""A command may leave before its slot: the store gave the slot later than we asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from shared.outbound.live import LiveClient
from shared.protocol import Command, Phase, Reported, StartAsked, StreamKey
from shared.protocol.derived.phase import phase
from shared.store import Store
from shared.store.contract import COMMANDS, Save, Saved
from tests.conftest import KEY, Clock
from tests.support.scripted_stage import ScriptedLive, Stage

RATE, SLOT_MS, LOCK_MS = 40, 25, 20
"""The second command's slot is so many ms ahead; the store's lock is held for so many."""


class BusyStore:
    """The stage's store, whose lock another process holds for a while."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def save_or_claim(self, save: Save) -> Saved:
        if save.if_slot:
            self._clock.pass_ms(LOCK_MS)
        return self._store.save_or_claim(save)


class PromptLive(ScriptedLive):
    """Live that reports the recording before it answers the start."""

    stage: Stage

    def send(self, command: Command, _key: StreamKey, **_credentials: object) -> str:
        self.stage.clock.pass_ms(1)
        self.stage.happens(Reported("record_started", recording=True))
        return super().send(command, _key)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Stage:
    stage, live = Stage(tmp_path, clock, LIVE_RECORD_RATE=str(RATE)), PromptLive()
    live.stage = stage
    stage.live = live
    stage.app = replace(
        stage.app,
        live=cast("LiveClient", live),
        store=cast("Store", BusyStore(stage.store, clock)),
        wait=lambda seconds: clock.pass_ms(round(seconds * 1000)),
    )
    return stage


def test_a_report_of_a_start_that_left_before_its_slot_confirms_it(stage: Stage) -> None:
    stage.store.take_slot(COMMANDS, SLOT_MS, wait=0)

    stage.happens(StartAsked("ann"))

    record = stage.store.load(KEY).record
    assert stage.live.sent == [Command.START]
    assert phase(record) is Phase.RECORDING

"""kill -9 between any two effects, of a reconcile in mid-drain, and of the whole stack: what was
answered 2xx, and whatever was stored, is carried out by whoever comes next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local.stack import running
from emulator.live import LiveInThread, Remote
from shared.protocol import StartAsked, StreamKey, TimePassed
from shared.protocol.state.recording import StreamRecord
from tests.support.instance import KEY, OPTIONS, Instance
from tests.support.journey import Stage

pytestmark = pytest.mark.slow
MOST_POINTS = 60
ROOMS = [StreamKey("live.example.com", "app", f"room{number}") for number in range(3)]


class Ground:
    """A stage's folder and its Live, on which instances die one after the other."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self.live = Remote(address)
        self.live.notify(stream_url="", record_url="", on_demand_url="")

    def asks(self, key: StreamKey) -> None:
        instance = Instance(self.folder, self.address)
        instance.does(instance.recorder.handle(key, StartAsked("ann"), OPTIONS))
        instance.store.close()

    def dies(self, what: str, at: int) -> bool:
        """Whether it was killed before it had done everything."""
        command = [sys.executable, "-m", "tests.support.instance", str(self.folder), self.address]
        ended = subprocess.run(
            [*command, str(at), what], capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        return ended.returncode != 0

    def heals(self) -> None:
        """Time passes and what is due is done, until nothing is due for the next minute."""
        instance = Instance(self.folder, self.address)
        for _ in range(100):
            for key in instance.store.take_due(50, 0):
                instance.does(instance.recorder.handle(key, TimePassed(), OPTIONS))
            soon = instance.store.next_due()
            if soon is None or soon > 60_000:
                break
            self.live.advance((soon + 1) / 1000)
        instance.store.close()

    def record(self, key: StreamKey = KEY) -> StreamRecord:
        store = Instance(self.folder, self.address).store
        record = store.load(key).record
        store.close()
        return record

    def records(self, stream: str) -> bool:
        recording = self.live.state(stream).get("recording")
        return recording is not None and recording["state"] == "recording"

    def agrees(self, key: StreamKey) -> bool:
        """Live does what is wanted, and nothing is left to do."""
        record = self.record(key)
        done = record.flight is None and record.pending is None
        return done and self.records(key.stream) == record.intent.wanted


def killed_while(what: str, at: int, folder: Path, *, recorded: bool) -> bool:
    """Whether the instance died; asserts that the next one leaves things as they were asked."""
    folder.mkdir()
    with LiveInThread(clock_file=folder / "clock.json") as live:
        ground = Ground(folder, live.address)
        ground.live.publish(KEY.stream)
        if recorded:
            ground.asks(KEY)
        died = ground.dies(what, at)
        ground.heals()
        assert ground.agrees(KEY), f"killed before effect {at}: {ground.record()}"
        assert died or ground.record().intent.wanted == (what != "stop")
    return died


@pytest.mark.parametrize(
    ("what", "recorded"), [("start", False), ("stop", True), ("publish", True)]
)
def test_an_instance_killed_between_any_two_effects_loses_nothing_that_was_stored(
    what: str, recorded: bool, tmp_path: Path
) -> None:
    points = 0
    while killed_while(what, points, tmp_path / str(points), recorded=recorded):
        points += 1
        assert points < MOST_POINTS

    assert points >= 4  # load, claim, send, settle


def drained_by_the_next(at: int, folder: Path) -> bool:
    folder.mkdir()
    with LiveInThread(clock_file=folder / "clock.json") as live:
        ground = Ground(folder, live.address)
        for key in ROOMS:
            ground.asks(key)
            ground.live.publish(key.stream)
            instance = Instance(folder, live.address)
            owing = instance.recorder.handle(key, StartAsked("ann"), ONLY_STORE)
            instance.does(owing)
            instance.store.close()
        died = ground.dies("reconcile", at)
        ground.heals()
        assert all(ground.agrees(key) and ground.record(key).intent.wanted for key in ROOMS)
    return died


ONLY_STORE = OPTIONS.__class__(may_send=lambda: False)
"""What is decided is stored and nothing is sent."""


def test_a_reconcile_killed_in_mid_drain_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    points = 0
    while drained_by_the_next(points, tmp_path / str(points)) and points < 3 * 5 + 1:
        points += 1

    assert points == 3 * 5 + 1


def test_the_whole_stack_killed_at_once_keeps_what_it_answered(tmp_path: Path) -> None:
    with LiveInThread(clock_file=tmp_path / "clock.json") as live:
        remote = Remote(live.address)
        with running(tmp_path, live=live.address) as stack:
            here = Stage(stack, remote)
            remote.fail(transport="hang", times=1)
            remote.publish("hung", callback=False)
            assert here.ask("waits", "start").status_code == 202
            assert here.ask("hung", "start").status_code in (200, 202)
            os.kill(stack.pids[-1], signal.SIGKILL)
        with running(tmp_path, live=live.address) as stack:
            here = Stage(stack, remote)
            here.publish("waits")
            remote.advance(10)
            here.reconcile()
            here.until(lambda: here.records("waits") and here.records("hung"))

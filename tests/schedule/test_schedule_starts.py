"""Many streams of one schedule: each start is sent as soon as the rate limit allows, and all within
the time that the answer to its creation says."""

from __future__ import annotations

from typing import Any

from shared.engine.effects import (
    CommandResult,
    Effect,
    Load,
    SaveOrClaim,
    Send,
    Steps,
    T,
    TakeDue,
    run,
)
from shared.engine.recorder import HandlingOptions, Recorder
from shared.engine.schedule_planner import SchedulePlanner
from shared.protocol import Accepted, Command, Published, StreamKey, StreamSettings
from shared.protocol.durations import instant
from shared.schedule import Schedule, StoredSchedule
from tests.simulation.memory import MemoryStore

RATE, STREAMS_NUMBER = 45, 225
BEGIN = instant("2028-01-04T11:00:00Z")
KEYS = [StreamKey("live.example.com", "app", f"room{number}") for number in range(STREAMS_NUMBER)]
SHOW = Schedule(
    id="show",
    streams=tuple(map(str, KEYS)),
    start="2028-01-04T19:00:00",
    end="2028-01-04T21:00:00",
    timezone="Asia/Shanghai",
)
SENDING = HandlingOptions(slot_wait_ms=250, must_save=True)


class Stage:
    def __init__(self) -> None:
        self.now = BEGIN - 3_600_000
        self.store = MemoryStore(rate=RATE, clock=lambda: self.now)
        flights = iter(range(10_000))
        self.recorder = Recorder(lambda _: StreamSettings(), lambda: f"f{next(flights)}", 8_000)
        self.sent: dict[StreamKey, int] = {}

    def run(self, steps: Steps[T]) -> T:
        return run(steps, self._perform)

    def plan(self) -> None:
        options: Any = {"may_go_on": lambda: True, "report": self._fail}
        text = StoredSchedule(SHOW, due_at=self.now).to_text()
        self.store.put_schedule("show", text, self.now, replaces=None)
        SchedulePlanner(self.store, self.recorder, self.run, **options).tend(self._wait)

    def _wait(self, seconds: float) -> None:
        raise AssertionError(seconds)

    def _fail(self, event: str, error: Exception) -> None:
        raise AssertionError(event) from error

    def drain(self) -> None:
        """Send what is due, by as many workers as are needed: no answer is waited for."""
        while (handled := self.run(self.recorder.drain_one(SENDING))) is not None:
            if handled.next_slot_in_ms:
                self.now += max(round(handled.next_slot_in_ms) - 250, 1)

    def _perform(self, effect: Effect[Any]) -> Any:  # noqa: ANN401 - as the effect says
        match effect:
            case Load(key=key):
                return self.store.load(key)
            case SaveOrClaim(save=save):
                return self.store.save_or_claim(save)
            case TakeDue(limit=limit, hold=hold):
                return self.store.take_due(limit, hold)
            case Send(key=key, flight=flight):
                assert flight.command is Command.START
                self.sent[key] = flight.sent_at
                return CommandResult(Accepted("R"), self.now)
            case _:
                raise AssertionError(effect)


def test_all_starts_of_a_schedule_are_sent_within_the_time_that_it_said() -> None:
    stage = Stage()
    for key in KEYS:
        stage.run(stage.recorder.handle(key, Published(stage.now), SENDING))
    stage.plan()
    assert stage.store.due_schedules(9) == {}

    stage.now = BEGIN
    stage.drain()

    assert set(stage.sent) == set(KEYS)
    assert min(stage.sent.values()) >= BEGIN
    assert max(stage.sent.values()) <= BEGIN + STREAMS_NUMBER * 1000 // RATE + 2_000

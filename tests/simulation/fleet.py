"""Instances at work: the deployed functions, unchanged, in virtual time.

Each invocation runs in a greenlet, and so does each worker that its dispatcher starts. Whenever one
touches what is outside the process (the store, Live, the clock's passing), it gives way to the
simulation, which lets time pass, performs the step and may kill or pause the instance at it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from functions import on_demand, reconcile, record_command, record_events, stream_events
from shared.engine.recorder import HandlingOptions
from shared.inbound import function_compute
from shared.invocation.app import App
from shared.invocation.invocation import Invocation
from shared.invocation.serve import Answer, Respond, answer_in
from shared.protocol import Accepted, Flight, StreamKey
from shared.protocol.command_errors import LiveError
from shared.store.store_errors import StoreUnavailable, Unreadable
from tests.simulation.chances import Fault
from tests.simulation.requests import Request
from tests.simulation.stream_watch import Broken

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from tests.simulation.world import Invocation as Assigned

LATER = object()
"""The value of a step whose result comes with a later event."""
LONG_PAUSE_MS = 5_000
_PAUSES = ((Fault.PAUSED, 50, 1_500), (Fault.PAUSED_LONG, LONG_PAUSE_MS, 30_000))
Act = Callable[["Fiber"], object]


class Fiber(greenlet):
    """One greenlet of a process: its invocation, or one of its workers. Variables call it a
    turn."""

    def __init__(self, process: Process, run: Callable[[], object]) -> None:
        super().__init__(run, process.sim.hub)
        self.process = process
        self.started = False


def current() -> Process:
    """Return the process that runs now."""
    turn = getcurrent()
    assert isinstance(turn, Fiber)
    return turn.process


class Process:
    """One invocation in one instance. All its turns end and pause with it."""

    def __init__(self, sim: Simulation, request: Request, assigned: Assigned | None) -> None:
        self.sim = sim
        self.request = request
        self.assigned = assigned
        self.answered: Callable[[int, bool], None] | None = None
        self.dead = False
        self.paused_until = 0
        self.claims: dict[StreamKey, Flight] = {}
        self.holds: set[str] = set()
        self.saves: list[tuple[Any, Any]] = []

    @property
    def name(self) -> str:
        number = self.assigned.instance.number if self.assigned else 0
        return f"{self.request.function}#{number}"

    def kill(self, why: str) -> None:
        if self.dead:
            return
        self.dead = True
        self.sim.tell(self.name, "is killed", why)
        self.sim.ended(self, None)

    # --- from inside a turn ---------------------------------------------------------------------

    def step(self, name: str, takes_ms: float, act: Act, *, struck: bool = False) -> Any:  # noqa: ANN401 - as the step says
        """Let time pass, have the simulation do `act`, and return the result."""
        if self.dead:
            raise GreenletExit
        self.sim.clock.after(takes_ms, self._act, getcurrent(), name, act, struck)
        return self.sim.hub.switch()

    def wait(self, seconds: float) -> None:
        if seconds > 0:
            self.step("wait", seconds * 1000, lambda _turn: None)

    def start(self, work: Callable[[], object]) -> None:
        if not self.dead:
            self.sim.clock.after(0, self.resume, Fiber(self, work))

    # --- from the simulation --------------------------------------------------------------------

    def _act(self, turn: Fiber, name: str, act: Act, struck: bool) -> None:
        sim = self.sim
        sim.events += 1
        if self.dead:
            return
        if self.paused_until > sim.clock.now:
            sim.clock.at(self.paused_until, self._act, turn, name, act, struck)
            return
        stops = struck and sim.lots.rates
        if stops and self._is_struck(Fault.KILLED_BEFORE, f"before {name}"):
            return
        try:
            value = act(turn)
        except (StoreUnavailable, Unreadable, LiveError, UnicodeError) as error:
            self.resume(turn, error=error)
            return
        if stops and self._is_struck(Fault.KILLED_AFTER, f"after {name}"):
            return
        if value is not LATER:
            self.resume(turn, value)

    def resume(self, turn: Fiber, value: object = None, error: Exception | None = None) -> None:
        """Continue a turn with the result of its step; if the process is paused, later; if it is
        dead, never."""
        if self.dead:
            return
        if self.paused_until > self.sim.clock.now:
            self.sim.clock.at(self.paused_until, self.resume, turn, value, error)
        elif error is not None:
            turn.throw(error)
        else:
            self._go_on(turn, value)

    @staticmethod
    def _go_on(turn: Fiber, value: object) -> None:
        if turn.started:
            turn.switch(value)
        else:
            turn.started = True
            turn.switch()

    def _is_struck(self, kill: Fault, when: str) -> bool:
        lots, where = self.sim.lots, self.request.function
        if lots.strikes(kill, where):
            self.kill(when)
            return True
        for fault, least, most in _PAUSES:
            if lots.strikes(fault, where):
                self._pause(lots.chance("pause", where).uniform(least, most))
        return False

    def _pause(self, ms: float) -> None:
        now = self.sim.clock.now
        self.paused_until = max(self.paused_until, now + round(ms))
        if self.request.function == "reconcile" and ms >= LONG_PAUSE_MS:
            self.sim.accounts.stands_still(ms)
        self.sim.tell(self.name, "stands still for", f"{ms / 1000:.1f} s")


class TurnSignal:
    """What `threading.Condition` is to threads; turns give way only where they say so."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: Fiber | None = None
        self._waits = 0

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no lock."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        clock = self._process.sim.clock
        end = clock.now + (timeout or 0) * 1000
        while not predicate() and clock.now < end:
            self._process.step("wait for workers", 0, lambda turn: self._park(turn, end))
        return predicate()

    def _park(self, turn: Fiber, end: float) -> object:
        self._waiting, self._waits = turn, self._waits + 1
        self._process.sim.clock.at(end, self._timed_out, self._waits)
        return LATER

    def _timed_out(self, wait: int) -> None:
        if wait == self._waits:
            self.notify()

    def notify(self, n: int = 1) -> None:
        turn, self._waiting = self._waiting, None
        if turn is not None and n:
            self._process.sim.clock.after(0, self._process.resume, turn)


class TurnWorkers:
    """The workers of a drain, each a turn of its process."""

    def __init__(self) -> None:
        self._process = current()
        self.signal = TurnSignal(self._process)

    def __enter__(self) -> None:
        """Do nothing: there is nothing to open."""

    def __exit__(self, *_: object) -> None:
        """Do nothing: the dispatcher leaves once all workers have ended."""

    def start(self, job: Callable[[], None]) -> None:
        self._process.start(job)


def _settle_again(invocation: Invocation, request: Request) -> function_compute.Response:
    """Handle Live's answer a second time, as if a proxy had repeated it."""
    assert request.key is not None
    assert request.sent is not None
    invocation.handle(request.key, request.sent, HandlingOptions())
    return function_compute.Response(200)


_FUNCTIONS: Mapping[str, tuple[Respond, float, Answer]] = {
    "stream_events": (stream_events.respond, stream_events.BUDGET_S, function_compute.answer),
    "record_events": (record_events.respond, record_events.BUDGET_S, function_compute.answer),
    "on_demand": (on_demand.respond, on_demand.BUDGET_S, function_compute.answer),
    "record_command": (record_command.respond, record_command.BUDGET_S, function_compute.answer),
    "reconcile": (reconcile.respond, reconcile.BUDGET_S, function_compute.answer_any),
}
TIMEOUTS = {
    "stream_events": 5_000,
    "record_events": 5_000,
    "on_demand": 5_000,
    "record_command": 15_000,
    "reconcile": 90_000,
}
"""The `timeout` of each function in s.yaml, in ms."""


def begin(process: Process, app: App) -> None:
    """Run the function that the request is for, from the bytes of its event to its answer."""
    sim, request = process.sim, process.request
    context = SimpleNamespace(request_id="1-77", function=SimpleNamespace(name=request.function))

    def answer() -> None:
        if request.sent is not None:
            reply = _again(app, request)
        else:
            respond, seconds, with_answer = _FUNCTIONS[request.function]
            event = request.event()
            try:
                reply = answer_in(app, with_answer, respond, event, context, seconds=seconds)
            except function_compute.InvocationFailed:
                reply = {"statusCode": 500, "body": ""}
        process.dead = True
        if app.life.is_over and process.assigned:
            process.assigned.instance.memory.clear()  # the next call gets a new process
        sim.ended(process, reply)

    if process.assigned:
        sim.clock.at(process.assigned.deadline, process.kill, "out of time")
    process.resume(Fiber(process, answer))


def _again(app: App, request: Request) -> dict[str, object]:
    try:
        return _settle_again(Invocation(app, None, seconds=3.0), request).to_fc()
    except (StoreUnavailable, Unreadable):
        return {"statusCode": 503, "body": ""}


def need_record(reply: Mapping[str, object]) -> bool:
    """Return NeedRecord of an on-demand answer; False for every other answer."""
    try:
        body = json.loads(str(reply["body"]))
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("NeedRecord") is True


__all__ = ["Accepted", "Broken", "Process", "TurnWorkers", "begin", "current"]

"""Instances at work: each effect of each invocation is performed at its own moment, and at each the
instance may be killed or paused. What `EffectHandler`, `Dispatcher` and `Wake` do, step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from shared.engine.dispatcher import ALIVE, ENOUGH
from shared.engine.dispatcher import PAUSE as BETWEEN_WAKES
from shared.engine.effect_handler import (
    AHEAD,
    LATE,
    LONGEST_AGO,
    LONGEST_PAUSE,
    NEARLY_FREE,
    OVERLAP,
    PAUSE,
    POLL_SLOT_WAIT_MS,
)
from shared.engine.effects import (
    CommandResult,
    Drain,
    Effect,
    ListOnline,
    Load,
    Mark,
    NextDue,
    OnlineSnapshot,
    QueryOnline,
    ReadUndelivered,
    SaveOrClaim,
    Send,
    TakeDue,
    Wait,
)
from shared.inbound import live_events
from shared.protocol import Accepted, Flight, Polled, StreamKey, TimePassed
from shared.protocol.command_errors import LiveError, NeverSent, Throttled
from shared.protocol.rules.on_demand import is_asked
from shared.store.contract import Claimed, Conflict, Saved
from shared.store.store_errors import StoreUnavailable
from tests.simulation.chances import Fault
from tests.simulation.stage import SLOT, Call, Join, Leave, LoadToAnswer, Reply, Wake
from tests.simulation.stream_watch import Broken
from tests.simulation.world import Outcome

if TYPE_CHECKING:
    from shared.engine.recorder import HandlingOptions
    from tests.simulation.simulation import Simulation
    from tests.simulation.world import Invocation

MOST_SENDERS = 3
LATER = object()
"""The effect's result comes by another event."""
STEPS = (Load, SaveOrClaim, Send, TakeDue, ListOnline, QueryOnline)
"""Where an instance may be killed or paused: around whatever is seen from outside."""


class Process:
    """One invocation's process. All its senders die and pause with it."""

    def __init__(self, sim: Simulation, call: Call, invocation: Invocation | None) -> None:
        self.sim = sim
        self.call = call
        self.invocation = invocation
        self.dead = False
        self.paused_until = 0
        self.slots: dict[str, float] = {}
        self.holds: set[str] = set()
        self.senders = 0
        self.drained = 0
        self.trouble: BaseException | None = None
        self.draining: Hand | None = None
        self.saves: list[tuple[Any, Any]] = []

    @property
    def name(self) -> str:
        number = self.invocation.instance.number if self.invocation else 0
        return f"{self.call.request.function}#{number}"

    def kill(self, why: str) -> None:
        if self.dead:
            return
        self.dead = True
        self.sim.tell(self.name, "is killed", why)
        self.sim.ended(self, None)


class Hand:
    """One generator of the process: its main thread, or one of its senders."""

    __slots__ = ("_end", "process", "sim", "steps")

    def __init__(
        self,
        process: Process,
        steps: Generator[Effect[Any], Any, Any],
        end: Callable[[object, BaseException | None], None],
    ) -> None:
        self.process = process
        self.sim = process.sim
        self.steps = steps
        self._end = end

    def go(self, value: object = None, error: BaseException | None = None) -> None:
        """Until the next effect, which takes its time."""
        try:
            effect = self.steps.throw(error) if error else self.steps.send(value)
        except StopIteration as end:
            self._end(end.value, None)
        except StoreUnavailable as trouble:
            self._end(None, trouble)
        except Broken:
            raise
        except Exception as trouble:
            raise _surprise(trouble) from trouble
        else:
            self.sim.clock.after(self._takes(effect), self.act, effect)

    def _takes(self, effect: Effect[Any]) -> float:
        if isinstance(effect, Wait):
            return effect.ms
        if isinstance(effect, Send):
            return self._until_slot(effect.flight)
        return 1 + 5 * self.sim.random()

    def _until_slot(self, flight: Flight) -> float:
        now = self.sim.clock.now
        return max(self.process.slots.setdefault(flight.id, now) - now, 0)

    def act(self, effect: Effect[Any]) -> None:
        process, sim = self.process, self.sim
        sim.events += 1
        if process.dead:
            return
        if process.paused_until > sim.clock.now:
            sim.clock.at(process.paused_until, self.act, effect)
            return
        stops = sim.lots.rates and isinstance(effect, STEPS)
        if stops and self._is_struck(Fault.KILLED_BEFORE, effect):
            return
        try:
            value = PERFORM[type(effect)](self, effect)
        except StoreUnavailable as error:
            self.go(error=error)
            return
        if stops and self._is_struck(Fault.KILLED_AFTER, effect):
            return
        if value is not LATER:
            self.resume(value)

    def resume(self, value: object) -> None:
        """With what came of the effect, unless the process is gone, or once it goes on."""
        if self.process.dead:
            return
        if self.process.paused_until > self.sim.clock.now:
            self.sim.clock.at(self.process.paused_until, self.resume, value)
        else:
            self.go(value)

    def _is_struck(self, kill: Fault, effect: Effect[Any]) -> bool:
        lots, where = self.sim.lots, self.process.call.request.function
        if lots.strikes(kill, where):
            before = "before" if kill is Fault.KILLED_BEFORE else "after"
            self.process.kill(f"{before} {type(effect).__name__}")
            return True
        for fault, least, most in _PAUSES:
            if lots.strikes(fault, where):
                self._pause(lots.chance("pause", where).uniform(least, most))
        return False

    def _pause(self, ms: float) -> None:
        process, now = self.process, self.sim.clock.now
        process.paused_until = max(process.paused_until, now + round(ms))
        self.sim.tell(process.name, "stands still for", f"{ms / 1000:.1f} s")
        if process.invocation and process.paused_until >= process.invocation.deadline:
            self.sim.clock.at(process.invocation.deadline, process.kill, "out of time")

    # --- the store ------------------------------------------------------------------------------

    def load(self, effect: Load) -> object:
        self.sim.store_answers()
        return self.sim.store.load(effect.key)

    def load_to_answer(self, effect: LoadToAnswer) -> object:
        self.sim.store_answers()
        loaded = self.sim.store.load(effect.key)
        return is_asked(loaded.record, loaded.now)

    def save(self, effect: SaveOrClaim) -> Saved:
        sim, save = self.sim, effect.save
        sim.store_answers()
        if sim.lots.strikes(Fault.CONFLICT, save.key.stream):
            return Conflict()
        before = sim.store.load(save.key).record
        asked = sim.clock.now
        saved = sim.store.save_or_claim(save)
        if not isinstance(saved, Conflict):
            sim.judge.saved(self.process, before, save, saved)
        if isinstance(saved, Claimed) and saved.record.flight:
            self.process.slots[saved.record.flight.id] = asked + saved.slot_in
            self.process.holds.add(saved.record.flight.id)
            if saved.slot_in < NEARLY_FREE:
                self._call_one_more()
        if sim.lots.strikes(Fault.STORE_UNHEARD, save.key.stream):
            raise StoreUnavailable("stored, and nobody heard")
        return saved

    def take_due(self, effect: TakeDue) -> Sequence[StreamKey]:
        self.sim.store_answers()
        return self.sim.store.take_due(effect.limit, effect.hold)

    def next_due(self, _effect: NextDue) -> int | None:
        self.sim.store_answers()
        return self.sim.store.next_due()

    def wait(self, _effect: Wait) -> None:
        """It has passed."""

    def register(self, _effect: Join) -> int:
        self.sim.store_answers()
        return self.sim.store.register("reconcile", str(id(self.process)), ALIVE)

    def deregister(self, _effect: Leave) -> None:
        self.sim.store_answers()
        self.sim.store.deregister("reconcile", str(id(self.process)))

    def wake(self, _effect: Wake) -> None:
        self.sim.store_answers()
        if self.sim.store.may_wake_one("reconcile", ENOUGH, BETWEEN_WAKES):
            self.sim.wake(self.process)

    def touch(self, effect: Mark) -> None:
        self.sim.store_answers()
        self.sim.store.touch(effect.source.timestamp)

    # --- senders --------------------------------------------------------------------------------

    def drain(self, _effect: Drain) -> object:
        """Begins with one; each that finds the lane nearly free calls one more."""
        process = self.process
        process.draining, process.drained, process.trouble = self, 0, None
        self._call_one_more()
        return LATER

    def _call_one_more(self) -> None:
        process = self.process
        if process.draining is None or process.senders >= MOST_SENDERS or process.trouble:
            return
        process.senders += 1
        Hand(process, process.call.deployed.recorder.drain(_manner(process.call)), self._sent).go()

    def _sent(self, done: object, trouble: BaseException | None) -> None:
        process = self.process
        process.senders -= 1
        process.drained += done if isinstance(done, int) else 0
        process.trouble = process.trouble or trouble
        main = process.draining
        if process.senders == 0 and main is not None:
            process.draining = None
            main.go(process.drained, process.trouble)

    # --- ApsaraVideo Live -----------------------------------------------------------------------

    def send(self, effect: Send) -> object:
        slot = self.process.slots.pop(effect.flight.id)
        if self.sim.clock.now - slot > LATE * 1000:
            missed = NeverSent("SlotMissed", "its pace slot had passed before it could be sent")
            return CommandResult(missed, self.sim.clock.now)
        self.sim.judge.sent(effect.flight)
        self.sim.wire.send(effect.key, effect.flight, self._answered(effect.flight))
        return LATER

    def _answered(self, flight: Flight) -> Callable[[Accepted | LiveError], None]:
        def answered(answer: Accepted | LiveError) -> None:
            self.sim.events += 1
            if isinstance(answer, Throttled) and not self.process.dead:
                self.sim.store.slow(min(max(answer.retry_after, PAUSE), LONGEST_PAUSE))
            self.sim.judge.heard(self.process, flight, answer)
            self.sim.tell(self.process.name, f"hears of {flight.command.value}", answer)
            self.resume(CommandResult(answer, self.sim.clock.now))

        return answered

    def query_online(self, effect: QueryOnline) -> object:
        self.sim.store_answers()
        slot_in = self.sim.store.poll_slot(POLL_SLOT_WAIT_MS)
        if slot_in is None:
            return None
        self.sim.clock.after(slot_in + 20 + 80 * self.sim.random(), self._look, effect)
        return LATER

    def _look(self, effect: QueryOnline) -> None:
        self.sim.events += 1
        found = self.sim.wire.find(effect.key)
        if isinstance(found, Exception):
            self.resume(None)
            return
        self.sim.tell(self.process.name, "looks at", effect.key.stream, "online" if found else "-")
        self.resume(Polled(found, effect.asked_at))

    def read_back(self, effect: ReadUndelivered) -> object:
        self.sim.store_answers()
        store, source = self.sim.store, effect.source
        now, age = store.now(), store.age_ms(source.timestamp)
        since = now - min((age or 0) + OVERLAP, LONGEST_AGO)
        slot_in = store.poll_slot(POLL_SLOT_WAIT_MS)
        if slot_in is None:
            return None
        wait = slot_in + 20 + 80 * self.sim.random()
        self.sim.clock.after(wait, self._read_undelivered, source.domain, since, now + AHEAD)
        return LATER

    def _read_undelivered(self, domain: str, since: int, until: int) -> None:
        self.sim.events += 1
        undelivered = self.sim.wire.undelivered(domain, since, until)
        if isinstance(undelivered, Exception):
            self.resume(None)
            return
        if undelivered:
            self.sim.tell(self.process.name, "reads back", len(undelivered), "callbacks")
        streaming = self.process.call.deployed.known.policy().streaming
        try:
            happened = live_events.undelivered(undelivered, streaming)
        except Exception as trouble:
            raise _surprise(trouble) from trouble
        self.resume(happened)

    def list(self, effect: ListOnline) -> object:
        self.sim.store_answers()
        watched, asked_at = self.sim.store.watched(effect.domain), self.sim.store.now()
        wait = 20 + 200 * self.sim.random()
        self.sim.clock.after(wait, self._list, effect.domain, asked_at, watched)
        return LATER

    def _list(self, domain: str, asked_at: int, watched: Any) -> None:  # noqa: ANN401 - the store's own
        self.sim.events += 1
        online = self.sim.wire.online(domain)
        if isinstance(online, Exception):
            self.resume(None)
            return
        if online:
            self.sim.tell(self.process.name, "lists", ", ".join(key.stream for key in online))
        self.resume(OnlineSnapshot(asked_at, online, watched))


def _surprise(trouble: Exception) -> Broken:
    """Nothing that is ours may end so: a person would be shown a stack trace."""
    return Broken("11.7", f"{type(trouble).__name__}: {trouble}")


def _manner(call: Call) -> HandlingOptions:
    from shared.engine.recorder import HandlingOptions

    return HandlingOptions(slot_wait_ms=SLOT, may_query_live=True, may_send=call.has_time)


_PAUSES = ((Fault.PAUSED, 50, 1_500), (Fault.PAUSED_LONG, 5_000, 30_000))
PERFORM: dict[type, Callable[[Hand, Any], object]] = {
    Load: Hand.load,
    LoadToAnswer: Hand.load_to_answer,
    SaveOrClaim: Hand.save,
    TakeDue: Hand.take_due,
    NextDue: Hand.next_due,
    Wait: Hand.wait,
    Join: Hand.register,
    Leave: Hand.deregister,
    Wake: Hand.wake,
    Drain: Hand.drain,
    Send: Hand.send,
    QueryOnline: Hand.query_online,
    ListOnline: Hand.list,
    ReadUndelivered: Hand.read_back,
    Mark: Hand.touch,
}


def begin(sim: Simulation, call: Call, invocation: Invocation | None) -> Process:
    process = Process(sim, call, invocation)

    def end(reply: object, trouble: BaseException | None) -> None:
        process.dead = True
        sim.ended(process, reply if isinstance(reply, Reply) else Reply(500 if trouble else 200))

    Hand(process, call.steps(), end).go()
    return process


__all__ = ["Hand", "Outcome", "Process", "TimePassed", "begin"]

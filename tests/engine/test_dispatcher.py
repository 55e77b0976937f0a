"""How what is due is sent: by as many senders as it takes, paced, and never for one place too
many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any, cast

import pytest

from shared.engine.dispatcher import HELPING_RECONCILES, Dispatcher
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import CallbackSource, Effect, Load, SaveOrClaim, Send, Undelivered, run
from shared.engine.recorder import Crashed, HandleResult, HandlingOptions, Recorder
from shared.engine.step_marks import StepMarks
from shared.engine.worker_lease import HEARTBEAT_S, BackfillTimer, WorkerLease
from shared.engine.workers import ThreadWorkers
from shared.protocol import Command, StartAsked, StopAsked, StreamKey, StreamSettings
from shared.protocol.command_errors import InDoubt, LiveError, NeverSent, Throttled
from shared.protocol.policy import Rule
from shared.store import Store, open_store
from shared.store.contract import Save, Saved
from shared.store.store_errors import StoreUnavailable
from tests.conftest import Clock

pytestmark = pytest.mark.slow

PATIENT = HandlingOptions(slot_wait_ms=250)
ONLY_STORE = HandlingOptions(may_send=lambda: False)
ROOMS = [StreamKey("live.example.com", "app", f"room{number:03d}") for number in range(300)]


def wall() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class SlowLive:
    """Takes `latency` s for each command; `errors` come first."""

    latency: float = 0.0
    errors: list[LiveError] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    sent: list[tuple[Command, StreamKey]] = field(default_factory=list)

    def prepare(self) -> None:
        """Nothing is slow here."""

    def send(self, command: Command, key: StreamKey) -> str:
        self.sent.append((command, key))
        time.sleep(self.latency)
        self.meanwhile()
        if self.errors:
            raise self.errors.pop(0)
        return "R"

    def find(self, _key: StreamKey) -> int | None:
        return None

    def online(self, _domain: str) -> Sequence[tuple[StreamKey, int]]:
        return ()

    def undelivered(
        self, _source: CallbackSource, _since: int, _until: int, _pace: Callable[[], None]
    ) -> Sequence[Undelivered]:
        return ()


WAY = 20
"""ms."""


@dataclass
class Far:
    """A store that a save takes `WAY` to reach, and its answer as long to come back."""

    store: Any
    clock: Clock

    def save_or_claim(self, save: Save) -> Saved:
        self.clock.pass_ms(WAY)
        saved: Saved = self.store.save_or_claim(save)
        self.clock.pass_ms(WAY)
        return saved

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self.store, name)


def dispatcher(
    store: Any,  # noqa: ANN401 - a store, or what stands for one
    drain_one: Callable[[], HandleResult | Crashed | None],
    *,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
    heartbeat_s: float = HEARTBEAT_S,
) -> Dispatcher:
    """As an invocation builds it; nobody else is woken or looked for."""
    return Dispatcher(
        store,
        drain_one,
        slot_wait_ms=PATIENT.slot_wait_ms,
        lease=WorkerLease(store, "one", monotonic, heartbeat_s=heartbeat_s),
        marks=StepMarks(store),
        backfill_timer=BackfillTimer(store),
        backfill=lambda: 0,
        put_in_order=lambda: 0,
        wake=lambda: None,
        wait=wait,
        report=lambda _event, _error: None,
    )


class Instance:
    """One reconcile on that store, as the real one is put together."""

    def __init__(
        self,
        store: Store,
        live: SlowLive,
        rule: Rule | None = None,
        clock: Clock | None = None,
        wait: Callable[[Dispatcher, float], None] = lambda _senders, _seconds: None,
    ) -> None:
        """With a clock of the test's nobody waits, or as the test says."""
        self.store = store
        numbers = iter(range(1_000_000))
        settings = StreamSettings(rule=rule or Rule())
        self.recorder = Recorder(lambda _: settings, lambda: f"{id(self)}-{next(numbers)}", 8000)
        self.most = 0
        pause: Callable[[float], None] = time.sleep
        if clock:
            pause = lambda seconds: wait(self.dispatcher, seconds)  # noqa: E731 - known only below
        monotonic = (lambda: clock.now / 1000) if clock else time.monotonic
        self.effect_handler = EffectHandler(
            store,
            live,
            monotonic=monotonic,
            wait=pause,
            report=lambda _event, _error: None,
            on_free_slot=self.start_worker,
        )
        self.dispatcher = dispatcher(store, self.drain_one, monotonic=monotonic, wait=pause)

    def drain_one(self) -> HandleResult | Crashed | None:
        self.most = max(self.most, self.dispatcher.running)
        return run(self.recorder.drain_one(PATIENT), self.effect_handler.perform)

    def work(self) -> None:
        """As one worker alone."""
        while (handled := self.drain_one()) is not None:
            if handled.next_slot_in_ms > PATIENT.slot_wait_ms:
                break

    def start_worker(self) -> None:
        self.dispatcher.start_worker()

    def drain(self) -> int:
        return self.dispatcher.drain(ThreadWorkers())

    def claimed(self, key: StreamKey) -> Send:
        """Handle a start up to the effect Send and return it: the command has its slot."""
        steps, reply = self.recorder.handle(key, StartAsked("ann"), PATIENT), None
        while not isinstance(effect := steps.send(reply), Send):
            reply = self.effect_handler.perform(effect)
        return effect

    def ask(self, key: StreamKey, what: StartAsked | StopAsked, options: HandlingOptions) -> None:
        run(self.recorder.handle(key, what, options), self.effect_handler.perform)


@pytest.fixture
def open_one(store_url: str) -> Iterator[Callable[[], Store]]:
    """On real time: what is timed here are the senders themselves."""
    opened: list[Store] = []

    def open_store_of_test() -> Store:
        store = open_store(store_url, rate=100, clock=wall, ahead=lambda: 0)
        opened.append(store)
        return store

    yield open_store_of_test
    for store in opened:
        store.close()


def queue(instance: Instance, rooms: int) -> list[StreamKey]:
    for key in ROOMS[:rooms]:
        instance.ask(key, StartAsked("ann"), ONLY_STORE)
    return ROOMS[:rooms]


def sends(live: SlowLive, rooms: Sequence[StreamKey], *instances: Instance) -> None:
    """Each of them once, in the end: where the machine is busy a slot is missed now and then."""
    deadline = time.monotonic() + 120
    with ThreadPoolExecutor(len(instances)) as pool:
        while len(live.sent) < len(rooms) and time.monotonic() < deadline:
            list(pool.map(lambda one: one.drain(), instances))

    assert sorted(key for _, key in live.sent) == list(rooms)


class SharedTime:
    """Passes only while every sender waits, so that how busy the machine is plays no part."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ends: list[int] = []

    def wait(self, at: Dispatcher, seconds: float) -> None:
        ends = self._clock.now + ceil(round(seconds * 1000, 3))
        with self._changed:
            self._ends.append(ends)
            while self._clock.now < ends:
                self._passes(at)
            self._ends.remove(ends)

    def _passes(self, at: Dispatcher) -> None:
        """Move the clock to the next end of a worker if all workers wait, else wait a moment.

        An ended worker does not notify.
        """
        if len(self._ends) == at.running and min(self._ends) > self._clock.now:
            self._clock.now = min(self._ends)
            self._changed.notify_all()
        else:
            self._changed.wait(0.02)


def test_there_are_as_many_senders_as_rate_and_latency_need(store_url: str, clock: Clock) -> None:
    with closing(open_store(store_url, rate=100, clock=clock)) as store:
        live, wait = SlowLive(), SharedTime(clock).wait
        instance = Instance(store, live, clock=clock, wait=wait)
        live.meanwhile = partial(wait, instance.dispatcher, 0.2)
        rooms, began = queue(instance, 60), clock.now
        instance.drain()

    assert sorted(key for _, key in live.sent) == rooms
    assert clock.now - began < 1000, "the lane was not used up"
    assert 0.2 * 100 <= instance.most <= 45


def test_senders_of_several_instances_share_the_work_and_the_pace(
    open_one: Callable[[], Store],
) -> None:
    live = SlowLive()
    instances = [Instance(open_one(), live) for _ in range(3)]
    queue(instances[0], 75)
    began = time.monotonic()
    sends(live, ROOMS[:75], *instances)

    assert time.monotonic() - began >= 74 / 100


def test_a_start_that_nobody_disturbs_reads_its_record_once(store: Store, clock: Clock) -> None:
    instance = Instance(store, SlowLive(), clock=clock)
    asked: list[type] = []

    def perform(effect: Effect[Any]) -> object:
        asked.append(type(effect))
        return instance.effect_handler.perform(effect)

    run(instance.recorder.handle(ROOMS[0], StartAsked("ann"), PATIENT), perform)

    assert asked == [Load, SaveOrClaim, Send, SaveOrClaim]


def test_an_answer_is_settled_on_what_others_stored_while_it_was_awaited(
    store: Store, clock: Clock
) -> None:
    live = SlowLive()
    instance, other = (Instance(store, live, clock=clock) for _ in range(2))

    def stop() -> None:
        live.meanwhile = lambda: None
        other.ask(ROOMS[0], StopAsked("bob"), PATIENT)

    live.meanwhile = stop
    instance.ask(ROOMS[0], StartAsked("ann"), PATIENT)
    clock.pass_ms(100)
    instance.work()

    assert live.sent == [(Command.START, ROOMS[0]), (Command.STOP, ROOMS[0])]
    assert not store.load(ROOMS[0]).record.intent.wanted


def test_an_answer_is_as_late_as_it_came_by_the_store_s_clock(store: Store, clock: Clock) -> None:
    live = SlowLive(meanwhile=lambda: clock.pass_ms(700))
    Instance(store, live, clock=clock).ask(ROOMS[0], StartAsked("ann"), PATIENT)
    answer = store.load(ROOMS[0]).record.answer

    assert answer is not None
    assert answer.at == clock.now


def test_a_save_that_takes_its_time_puts_no_answer_ahead_of_the_store_s_clock(
    store: Store, clock: Clock
) -> None:
    heard: list[int] = []
    live = SlowLive(meanwhile=lambda: heard.append(clock.now))
    Instance(cast("Store", Far(store, clock)), live, clock=clock).ask(
        ROOMS[0], StartAsked("ann"), PATIENT
    )
    answer = store.load(ROOMS[0]).record.answer

    assert answer is not None
    assert heard[0] - WAY <= answer.at <= heard[0]


def test_stops_overtake_the_starts_that_wait(store: Store, clock: Clock) -> None:
    live = SlowLive()
    instance = Instance(store, live, clock=clock)
    first = ROOMS[-1]
    instance.ask(first, StartAsked("ann"), PATIENT)
    queue(instance, 20)
    instance.ask(first, StopAsked("ann"), ONLY_STORE)
    instance.work()

    assert live.sent[1] == (Command.STOP, first)


def test_a_throttled_answer_slows_the_lane_for_everybody(clock: Clock, store: Store) -> None:
    live = SlowLive(errors=[Throttled("Throttling.User", retry_after=400)])
    instance = Instance(store, live, clock=clock)
    instance.ask(ROOMS[0], StartAsked("ann"), PATIENT)

    assert store.rate_limit_use().ahead == 400
    instance.ask(ROOMS[1], StartAsked("ann"), PATIENT)
    assert len(live.sent) == 1


def test_a_lost_answer_does_not_slow_it(clock: Clock, store: Store) -> None:
    instance = Instance(store, SlowLive(errors=[InDoubt("")]), clock=clock)
    instance.ask(ROOMS[0], StartAsked("ann"), PATIENT)

    assert store.rate_limit_use().ahead == pytest.approx(20)


def test_beyond_max_concurrent_a_start_waits_until_another_is_over(
    clock: Clock, store: Store
) -> None:
    live = SlowLive()
    instance = Instance(store, live, Rule(max_concurrent=2), clock=clock)
    for key in ROOMS[:3]:
        instance.ask(key, StartAsked("ann"), PATIENT)
        clock.pass_ms(100)
    instance.drain()
    assert [key for _, key in live.sent] == ROOMS[:2]

    instance.ask(ROOMS[0], StopAsked("ann"), PATIENT)
    clock.pass_ms(100)
    instance.drain()
    assert live.sent[2:] == [(Command.STOP, ROOMS[0]), (Command.START, ROOMS[2])]


def test_when_a_drain_ends_its_threads_have_ended(store: Store) -> None:
    before = threading.active_count()
    instance = Instance(store, SlowLive())
    queue(instance, 3)
    instance.drain()
    assert threading.active_count() == before

    instance.dispatcher.start_worker()
    assert threading.active_count() == before


def test_after_a_freeze_no_slot_is_used_that_is_long_past(store: Store, clock: Clock) -> None:
    """What is sent later than its slot meets those that follow it, within the account's second."""
    live = SlowLive()
    instance = Instance(store, live, clock=clock)
    flights = [instance.claimed(key) for key in ROOMS[:13]]
    assert [one.flight.sent_at - clock.now for one in flights] == list(range(0, 260, 20))
    clock.pass_ms(200)
    answers = [instance.effect_handler.perform(one).answer for one in flights]

    assert sum(isinstance(answer, NeverSent) for answer in answers) == 8
    assert [key for _, key in live.sent] == ROOMS[8:13]


def test_what_one_sender_raises_ends_the_drain_with_it(store: Store) -> None:
    def fails() -> HandleResult | None:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable, match="gone"):
        dispatcher(store, fails).drain(ThreadWorkers())


class Registry:
    """Lets a worker go on once a sign of life was given."""

    def __init__(self) -> None:
        self.beaten = threading.Event()

    def register(self, _name: str, _who: str, _ms: int) -> int:
        self.beaten.set()
        return HELPING_RECONCILES

    def touch(self, _name: str) -> None:
        """Ignore the timestamp: a burst is going on."""

    def age_ms(self, _name: str) -> int | None:
        return 0

    def drain_one(self) -> HandleResult | None:
        assert self.beaten.wait(120)
        return None


def test_a_long_drain_gives_signs_of_life() -> None:
    registry = Registry()
    dispatcher(registry, registry.drain_one, heartbeat_s=0.01).drain(ThreadWorkers())

    assert registry.beaten.is_set()


def test_a_reconcile_is_called_only_while_slots_go_by(clock: Clock, store: Store) -> None:
    one, other = (WorkerLease(store, who, lambda: clock.now / 1000) for who in "ab")
    assert one.may_wake_one()
    clock.pass_ms(2000)
    other.begin()
    store.pause_slots(100)
    assert not one.may_wake_one()
    clock.pass_ms(200)
    assert one.may_wake_one()
    other.end()

"""Carries a happening through: load, decide, save or claim, send, and what follows from the answer.

`handle` and `reconcile` are generators that yield effects; `Hands` performs them in production,
and whoever explores or simulates performs them as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

from shared.domain import (
    Accepted,
    Code,
    Flight,
    Happening,
    Looked,
    Note,
    Recording,
    Sent,
    StreamKey,
    Terms,
    TimePassed,
    claim,
    decide,
)
from shared.domain.storing import Claimed, Conflict, Loaded, Queue, Save, Saved
from shared.domain.stream import Command
from shared.errors import LiveError, NeverSent

T = TypeVar("T")


class Store(Protocol):
    """The few atomic promises a record needs: see the contract suite in tests/test_store.py."""

    def load(self, key: StreamKey) -> Loaded: ...
    def save_or_claim(self, save: Save) -> Saved: ...
    def due(self, limit: int) -> Sequence[StreamKey]: ...
    def next_due(self) -> int | None: ...
    def queue(self) -> Queue: ...


class LiveApi(Protocol):
    """`send` and `find` raise a LiveError. `find` gives the stream's PublishTime in ms, None when
    it is offline. `prepare` does what is slow and may be done before a slot is taken."""

    def prepare(self) -> None: ...
    def send(self, command: Command, key: StreamKey) -> str: ...
    def find(self, key: StreamKey) -> int | None: ...


class Effect(Generic[T]):
    """What a generator wants done; `T` is what it gets back."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Load(Effect[Loaded]):
    key: StreamKey


@dataclass(frozen=True, slots=True)
class SaveOrClaim(Effect[Saved]):
    save: Save


@dataclass(frozen=True, slots=True)
class Send(Effect["Accepted | LiveError"]):
    key: StreamKey
    flight: Flight


@dataclass(frozen=True, slots=True)
class Look(Effect["Looked | None"]):
    """None: the look failed, which says nothing about the stream."""

    key: StreamKey
    asked_at: int


@dataclass(frozen=True, slots=True)
class Due(Effect["Sequence[StreamKey]"]):
    limit: int


@dataclass(frozen=True, slots=True)
class NextDue(Effect["int | None"]):
    """In how many ms something is due; None when nothing ever is."""


@dataclass(frozen=True, slots=True)
class Wait(Effect[None]):
    ms: int


@dataclass(frozen=True, slots=True)
class Kick(Effect[None]):
    """Something waits for a slot: wake a reconcile."""


Steps = Generator[Effect[Any], Any, T]


def do(effect: Effect[T]) -> Steps[T]:
    """The effect's own result type, which a bare yield cannot tell."""
    return cast("T", (yield effect))


@dataclass(frozen=True, slots=True)
class Handled:
    """Where the stream stands now, and the last answer to a command sent on the way, if any."""

    record: Recording
    now: int
    notes: tuple[Note, ...]
    refused: Code | None = None
    answer: Accepted | LiveError | None = None

    @property
    def again_in(self) -> int | None:
        """In how many ms a command is to be tried again; None when none is, or when it only waits
        for its turn."""
        owed = self.record.owed
        if owed is None or self.record.flight or owed.not_before <= self.now:
            return None
        return owed.not_before - self.now


@dataclass(frozen=True, slots=True)
class Manner:
    """How much one kind of invocation may do: wait for a slot (ms), look, send at all."""

    wait: int = 0
    looks: bool = False
    kicks: bool = True
    has_time: Callable[[], bool] = field(default=lambda: True)


@dataclass(frozen=True, slots=True)
class _Step:
    record: Recording
    now: int
    notes: tuple[Note, ...]
    refused: Code | None
    look: bool
    flight: Flight | None


class Recorder:
    def __init__(
        self, terms: Callable[[StreamKey], Terms], flight_id: Callable[[], str], lease: int
    ) -> None:
        self._terms = terms
        self._flight_id = flight_id
        self._lease = lease

    def handle(self, key: StreamKey, happening: Happening, manner: Manner) -> Steps[Handled]:
        """Everything that follows from one happening, as far as `manner` allows."""
        notes: tuple[Note, ...] = ()
        refused: Code | None = None
        answer: Accepted | LiveError | None = None
        following: Happening | None = happening
        while following is not None:
            step = yield from self._decide(key, following, manner)
            notes, refused = (*notes, *step.notes), refused or step.refused
            following = None
            if step.flight is not None:
                answer = yield from do(Send(key, step.flight))
                following = Sent(step.flight.id, answer)
            elif step.look and manner.looks:
                following = yield from do(Look(key, step.now))
        if manner.kicks and _waits(step.record, step.now):
            yield from do(Kick())
        return Handled(step.record, step.now, notes, refused, answer)

    def _decide(self, key: StreamKey, happening: Happening, manner: Manner) -> Steps[_Step]:
        """Save before send; whoever saves second decides anew on what the first one left."""
        while True:
            loaded = yield from do(Load(key))
            decision = decide(loaded.record, happening, loaded.now, self._terms(key))
            flying = self._claim(decision.record, loaded.now, manner)
            record, flight = decision.record, None
            if flying or decision.notes or record != loaded.record:
                queued, notes = decision.record, decision.notes
                save = Save(loaded.version, queued, flying, notes, manner.wait, self._lease)
                saved = yield from do(SaveOrClaim(save))
                if isinstance(saved, Conflict):
                    continue
                if isinstance(saved, Claimed):
                    record, flight = saved.record, saved.record.flight
            return _Step(
                record, loaded.now, decision.notes, decision.refused, decision.look, flight
            )

    def _claim(self, record: Recording, now: int, manner: Manner) -> Recording | None:
        return claim(record, self._flight_id(), now) if manner.has_time() else None

    def reconcile(self, manner: Manner) -> Steps[int]:
        """Do what is due until nothing is for a while or the time is up; how much was done."""
        done, idle = 0, 0
        while manner.has_time() and idle < LINGER:
            keys = yield from do(Due(BATCH))
            for key in keys:
                if manner.has_time():
                    yield from self.handle(key, TimePassed(), manner)
                    done += 1
            soon = yield from do(NextDue())
            worked = bool(keys) or (soon is not None and soon <= NEAR)
            idle = 0 if worked else idle + POLL
            yield from do(Wait(POLL if soon is None else max(min(soon, POLL), BREATH)))
        return done


BATCH = 50
"""How many due streams are listed at once; small, so that the order stays fresh."""
NEAR = 15_000
"""Reconcile stays for what is due this soon (ms),"""
LINGER = 2_000
"""and this long after its last work, for the kick that was swallowed meanwhile."""
POLL = 200
BREATH = 5


def _waits(record: Recording, now: int) -> bool:
    """Owed, due soon, and nobody sends it."""
    owed = record.owed
    return owed is not None and record.flight is None and owed.not_before - now <= NEAR


def run(steps: Steps[T], perform: Callable[[Effect[Any]], Any]) -> T:
    """Drive a generator of effects to its end."""
    reply: Any = None
    while True:
        try:
            effect = steps.send(reply)
        except StopIteration as end:
            return cast("T", end.value)
        reply = perform(effect)


LATE = 0.25
"""s by which a slot may have passed before its command is given up unsent."""


class Hands:
    """Performs effects on a real store and a real Live API, for one invocation."""

    def __init__(  # noqa: PLR0913 - everything an invocation touches
        self,
        store: Store,
        live: LiveApi,
        *,
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
        kick: Callable[[], None],
        said: Callable[[str, Exception], None],
    ) -> None:
        self._store = store
        self._live = live
        self._monotonic = monotonic
        self._wait = wait
        self._kick = kick
        self._said = said
        self._slots: dict[str, float] = {}

    def perform(self, effect: Effect[Any]) -> Any:  # noqa: ANN401, PLR0911 - one arm an effect
        match effect:
            case Load(key=key):
                return self._store.load(key)
            case SaveOrClaim(save=save):
                return self._save(save)
            case Send(key=key, flight=flight):
                return self._send(key, flight)
            case Look(key=key, asked_at=asked_at):
                return self._look(key, asked_at)
            case Due(limit=limit):
                return self._store.due(limit)
            case NextDue():
                return self._store.next_due()
            case Wait(ms=ms):
                return self._wait(ms / 1000)
            case Kick():
                return self._kick()
            case _:
                raise AssertionError(effect)

    def _save(self, save: Save) -> Saved:
        if save.flying:
            self._live.prepare()
        before = self._monotonic()
        saved = self._store.save_or_claim(save)
        if isinstance(saved, Claimed) and saved.record.flight:
            self._slots[saved.record.flight.id] = before + saved.slot_in / 1000
        return saved

    def _send(self, key: StreamKey, flight: Flight) -> Accepted | LiveError:
        slot = self._slots.pop(flight.id)
        self._wait(max(slot - self._monotonic(), 0))
        if self._monotonic() - slot > LATE:
            return NeverSent("SlotMissed", "its pace slot had passed before it could be sent")
        try:
            return Accepted(self._live.send(flight.command, key))
        except LiveError as error:
            self._said("command.failed", error)
            return error

    def _look(self, key: StreamKey, asked_at: int) -> Looked | None:
        try:
            return Looked(self._live.find(key), asked_at)
        except LiveError as error:
            self._said("look.failed", error)
            return None

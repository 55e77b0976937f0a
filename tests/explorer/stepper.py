"""Tabulates the real Recorder: its next effect after given answers, found by replaying the
answers."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

from msgspec.structs import replace

from shared.engine.effects import (
    CommandResult,
    Effect,
    Load,
    QueryOnline,
    ReportBroken,
    SaveOrClaim,
    Send,
    Steps,
)
from shared.engine.recorder import HandleResult, HandlingOptions, Recorder
from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    Flight,
    Polled,
    StreamRecord,
    StreamSettings,
    due_at,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.state.invariants import broken
from shared.store.contract import Claimed, Conflict, Loaded, Save, Stored
from tests.explorer.normalize import Pool, bare, earlier
from tests.explorer.world import FAR, KEY, LEASE, NOW, Instance

CALLBACK, PERSON, RECONCILE = range(3)
MANNERS = (
    HandlingOptions(slot_wait_ms=0),
    HandlingOptions(slot_wait_ms=300),
    HandlingOptions(slot_wait_ms=300, may_query_live=True),
)
Reply = Loaded | Stored | Claimed | Conflict | Polled | CommandResult | None


class Wants(NamedTuple):
    """The effect that an instance waits for: `flight` is that of a send, `save` that of a save."""

    what: type[Effect[Any]] | None  # None: the instance has ended
    flight: Flight | None = None
    save: Save | None = None
    asked_at: int = 0


class Transition(NamedTuple):
    """Load and save as one step. `replies`: the answered effects, if the instance goes on;
    `broken`: the invariants that do not hold of what was decided."""

    record: int
    saved: bool
    claimed: bool
    replies: tuple[int, ...] | None
    broken: tuple[str, ...] = ()
    must_fit: bool = True  # a full store takes it all the same


class Stepper:
    """Tables of what the Recorder does, which hold for these settings alone."""

    def __init__(self, settings: StreamSettings) -> None:
        self._stream_settings = settings
        self.records, self.events, self.replies = Pool(), Pool(), Pool()
        self._wants: dict[tuple[Any, ...], Wants] = {}
        self._turns: dict[tuple[Any, ...], Transition] = {}
        self._earlier: dict[tuple[str, int, int, int], int] = {}
        self._due: dict[int, int | None] = {}
        self._reached: dict[tuple[int, int, int, tuple[int, ...]], Steps[HandleResult]] = {}

    def record(self, record: StreamRecord) -> int:
        return self.records.put(bare(record, self._stream_settings))

    def event(self, event: Event) -> int:
        return self.events.put(event)

    def wants(self, one: Instance) -> Wants:
        """Return what the real generator yields after the instance's answers."""
        key = one[:4]
        found = self._wants.get(key)
        if found is None:
            found = self._wants[key] = _wants(self._replay(*key))
        return found

    def _replay(
        self, event: int, options: int, serial: int, replies: tuple[int, ...]
    ) -> Effect[Any] | None:
        """Return the effect after these answers. Take the generator that waits there if there is
        one; otherwise start a new one and repeat all answers."""
        steps = self._reached.pop((event, options, serial, replies[:-1]), None) if replies else None
        answers = (None, *replies) if steps is None else replies[-1:]
        steps = steps or self._handling(event, options, serial)
        try:
            for reply in answers:
                effect = steps.send(None if reply is None else self.replies[reply])
        except StopIteration:
            return None
        self._reached[event, options, serial, replies] = steps
        return effect

    def _handling(self, event: int, options: int, serial: int) -> Steps[HandleResult]:
        numbers = count()
        recorder = Recorder(
            lambda _: self._stream_settings, lambda: f"{serial}.{next(numbers)}", LEASE
        )
        return recorder.handle(KEY, self.events[event], MANNERS[options])

    def load(self, record: int, continuity: Continuity = UNBROKEN) -> int:
        return self.replies.put(Loaded(self.records[record], 1, NOW, continuity))

    def transition(
        self, record: int, one: Instance, continuity: Continuity, *, slot: bool
    ) -> Transition:
        """Return what load and save do if no other instance comes between."""
        key = (record, one.event, one.options, one.serial, slot, continuity)
        found = self._turns.get(key)
        if found is None:
            loaded = one._replace(replies=(self.load(record, continuity),))
            found = self._turns[key] = self.saving(record, loaded, slot=slot)
        return found

    def saving(self, record: int, one: Instance, *, slot: bool) -> Transition:
        """Return what saving does to the store and to the instance, which has loaded."""
        wanted = self.wants(one)
        if wanted.save is None:
            return Transition(record, False, False, self._goes_on(one))
        flying = wanted.save.if_slot if slot else None
        stored = wanted.save.if_no_slot if flying is None else _flying(flying)
        after = self.record(stored)
        reply = Stored(1) if flying is None else Claimed(1, self.records[after], 0)
        then = one._replace(replies=(*one.replies, self.replies.put(reply)))
        not_held = broken(wanted.save.if_no_slot, observe=self._stream_settings.observe)
        fits = wanted.save.must_fit or wanted.save.if_no_slot.is_blank
        return Transition(after, True, flying is not None, self._goes_on(then), not_held, fits)

    def _goes_on(self, one: Instance) -> tuple[int, ...] | None:
        return None if self.wants(one).what is None else one.replies

    def answered(self, one: Instance, answer: Accepted | LiveError) -> Instance:
        """Return the instance after Live's answer. It is replaced by one that handles
        `CommandSettled` and has loaded the record as it was claimed: both do the same, since the
        loop of `handle` keeps only notes. An assertion checks that for the next effect, every time.
        If another instance has saved meanwhile, this one conflicts, and begins by loading."""
        flight = self.wants(one).flight
        assert flight is not None
        heard = self.replies.put(CommandResult(answer, NOW, NOW))
        real = one._replace(replies=(*one.replies, heard))
        fresh = one._replace(event=self.event(CommandSettled(flight.id, answer)), replies=())
        if one.outrun:
            in_vain = real._replace(replies=(*real.replies, self.replies.put(Conflict())))
            assert self.wants(in_vain).what is self.wants(fresh).what is Load
            return fresh._replace(outrun=False)
        claimed = self.record(self.replies[one.replies[-1]].record)
        continuity = self.replies[one.replies[0]].continuity
        loaded = fresh._replace(replies=(self.load(claimed, continuity),))
        assert self._stores(real) == self._stores(loaded)
        return loaded

    def _stores(self, one: Instance) -> int:
        save = self.wants(one).save
        assert save is not None
        return self.record(save.if_no_slot)

    def polled(self, one: Instance, seen: Polled | None) -> Instance | None:
        """Return the instance after the answer to a poll, as `answered` does; None if a failed poll
        ends it."""
        real = one._replace(replies=(*one.replies, self.replies.put(seen)))
        if seen is None:
            return None if self.wants(real).what is None else real
        fresh = one._replace(event=self.event(seen), replies=())
        assert self.wants(real).what is self.wants(fresh).what is Load
        return fresh

    def conflicted(self, one: Instance) -> Instance:
        """Return the instance after a conflict: it begins again, and nothing of the first attempt
        is left."""
        real = one._replace(replies=(*one.replies, self.replies.put(Conflict())))
        assert self.wants(real).what is Load
        return one._replace(replies=(), outrun=False)

    def earlier(self, pool: str, number: int, ms: int, true_ms: int) -> int:
        """Return the number of a record, event or reply once `ms` have passed; `true_ms` for Live's
        times."""
        key = (pool, number, ms, true_ms)
        found = self._earlier.get(key)
        if found is None:
            values: Pool = getattr(self, pool)
            found = self._earlier[key] = values.put(self._moved(values[number], ms, true_ms))
        return found

    def _moved(self, value: Any, ms: int, true_ms: int) -> object:  # noqa: ANN401 - of any pool
        if value is None or isinstance(value, LiveError):
            return value
        moved = earlier(value, ms, true_ms)
        if isinstance(moved, Claimed):  # its record is what the store holds
            return replace(moved, record=bare(moved.record, self._stream_settings))
        return bare(moved, self._stream_settings) if isinstance(moved, StreamRecord) else moved

    def due(self, record: int) -> int | None:
        """Return when the record is due; None if never, or only in more than FAR."""
        found = self._due.get(record, -1)
        if found == -1:
            at = due_at(self.records[record])
            found = self._due[record] = None if at is None or at > NOW + FAR else at
        return found


def _flying(record: StreamRecord) -> StreamRecord:
    """Return the record as a store completes it if the rate limit has a slot at once."""
    assert record.flight is not None
    return replace(record, flight=replace(record.flight, sent_at=NOW, lease_until=NOW + LEASE))


def _wants(effect: Effect[Any] | None) -> Wants:
    match effect:
        case None | ReportBroken():  # the last effect of a generator
            return Wants(None)
        case SaveOrClaim(save=save):
            return Wants(SaveOrClaim, save=save)
        case Send(flight=flight):
            return Wants(Send, flight=flight)
        case QueryOnline(asked_at=asked_at):
            return Wants(QueryOnline, asked_at=asked_at)
        case Load():
            return Wants(type(effect))
        case _:
            raise AssertionError(effect)

"""Carries a happening through: load, decide, save or claim, send, and what follows from the answer.

`handle`, `survey`, `reconcile` and `drain` are generators that yield effects; `EffectHandler`
performs them in production, and whoever explores or simulates performs them as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from shared.engine.effects import (
    CallbackSource,
    Drain,
    ListOnline,
    Load,
    Mark,
    NextDue,
    OnlineSnapshot,
    QueryOnline,
    ReadUndelivered,
    SaveOrClaim,
    Send,
    Steps,
    TakeDue,
    Undelivered,
    Wait,
    do,
)
from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    FileFailed,
    FileLeft,
    Note,
    Polled,
    Reason,
    StreamKey,
    StreamRecord,
    StreamSettings,
    TimePassed,
    claim,
    decide,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.stream import Command
from shared.quick import dataclass, replace
from shared.store.contract import Claimed, Conflict, Loaded, Save, Stored

TAKEN_FOR_MS = 2_000
"""ms after which what a killed sender had taken is handed out again."""
SOON_MS = 15_000
"""Reconcile stays for what is due this soon (ms),"""
LINGER_MS = 2_000
"""and this long after its last work, for the wake that was swallowed meanwhile."""
IDLE_POLL_MS = 200
MIN_PAUSE_MS = 5


@dataclass(frozen=True, slots=True)
class HandleResult:
    """Where the stream stands now, and what was sent on the way with Live's answer to it.
    `lane_in` is in how many ms the slot came that was too far away to be waited for."""

    record: StreamRecord
    now: int
    notes: tuple[Note, ...]
    refused: Reason | None = None
    sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
    next_slot_in_ms: float = 0.0

    @property
    def again_in(self) -> int | None:
        """In how many ms a command is to be tried again; None when none is, or when it only waits
        for its turn."""
        pending = self.record.pending
        if pending is None or self.record.flight or pending.not_before <= self.now:
            return None
        return pending.not_before - self.now

    @property
    def waits(self) -> bool:
        """A command is owed soon and nobody is sending it: a reconcile should come."""
        pending = self.record.pending
        if pending is None or self.record.flight or pending.over_quota:
            return False
        return pending.not_before - self.now <= SOON_MS


@dataclass(frozen=True, slots=True)
class HandlingOptions:
    """How much one kind of invocation may do: wait for a slot (ms), look, send at all, write down
    what makes no difference."""

    slot_wait_ms: int = 0
    may_query_live: bool = False
    may_send: Callable[[], bool] = field(default=lambda: True)
    record_no_ops: bool = True


ONLY_STORE = HandlingOptions(may_send=lambda: False)
"""What a survey finds is sent with the rest of what is due: in order, by many senders."""
ONLY_UNKNOWN = replace(ONLY_STORE, record_no_ops=False)
"""What is read back was often known by then, or is read again."""
REMEMBERED = 20_000
"""happenings that one process knows to have read back and stored; forgetting costs a load each."""


@dataclass(frozen=True, slots=True)
class _DecisionStep:
    record: StreamRecord
    now: int
    notes: tuple[Note, ...]
    refused: Reason | None
    query_online: bool
    claimed: Claimed | None = None
    next_slot_in_ms: float = 0.0


class Recorder:
    def __init__(
        self,
        settings: Callable[[StreamKey], StreamSettings],
        flight_id: Callable[[], str],
        lease: int,
    ) -> None:
        self._settings_of = settings
        self._flight_id = flight_id
        self._lease = lease
        self._stored: dict[Undelivered, None] = {}

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> Steps[HandleResult]:
        """Everything that follows from one happening, as far as `manner` allows."""
        notes: tuple[Note, ...] = ()
        refused: Reason | None = None
        sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
        following: Event | None = event
        known: Loaded | None = None
        next_slot_in_ms = 0.0
        while following is not None:
            step = yield from self._decide(key, following, options, known)
            notes, refused = (*notes, *step.notes), refused or step.refused
            following, known, next_slot_in_ms = None, None, step.next_slot_in_ms
            flight = step.record.flight
            if step.claimed is not None and flight is not None:
                heard = yield from do(Send(key, flight))
                sent = (*sent, (flight.command, heard.answer))
                following = CommandSettled(flight.id, heard.answer)
                known = Loaded(step.record, step.claimed.version, heard.at)
            elif step.query_online and options.may_query_live:
                following = yield from do(QueryOnline(key, step.now))
        return HandleResult(step.record, step.now, notes, refused, sent, next_slot_in_ms)

    def _decide(
        self, key: StreamKey, event: Event, options: HandlingOptions, known: Loaded | None
    ) -> Steps[_DecisionStep]:
        """Save before send; whoever saves second decides anew on what the first one left. What is
        `known` is not loaded: should it be so no more, the save tells."""
        while True:
            loaded = known or (yield from do(Load(key)))
            known = None
            settings = self._settings_of(key)
            decision = decide(loaded.record, event, loaded.now, settings)
            step = _DecisionStep(
                decision.record, loaded.now, decision.notes, decision.refused, decision.query_online
            )
            if_slot = self._claim(decision.record, loaded.now, options)
            tells = decision.notes and (options.record_no_ops or _is_of_a_file(event))
            if not if_slot and not tells and decision.record == loaded.record:
                return step
            save = self._save(loaded, decision.record, if_slot, settings, options)
            save = replace(save, notes=decision.notes, files=_left(event))
            saved = yield from do(SaveOrClaim(save))
            if not isinstance(saved, Conflict):
                return _after(step, save, saved)

    def _claim(
        self, record: StreamRecord, now: int, options: HandlingOptions
    ) -> StreamRecord | None:
        if record.pending is None or not options.may_send():
            return None
        return claim(record, self._flight_id(), now)

    def _save(
        self,
        loaded: Loaded,
        record: StreamRecord,
        if_slot: StreamRecord | None,
        settings: StreamSettings,
        options: HandlingOptions,
    ) -> Save:
        quota = _quota(settings)
        if_no_slot, if_no_quota = _with_over_quota(record, over_quota=False), None
        if (
            if_slot
            and if_slot.flight
            and if_slot.flight.command is Command.START
            and quota.is_limited
        ):
            if_no_quota = _with_over_quota(record, over_quota=True)
        return Save(
            loaded.version,
            if_no_slot,
            if_slot,
            slot_wait_ms=options.slot_wait_ms,
            lease_ms=self._lease,
            quota=quota,
            if_no_quota=if_no_quota,
        )

    def resync(
        self,
        domain: str,
        options: HandlingOptions,
        may_go_on: Callable[[], bool] = lambda: True,
        *,
        only_unknown: bool = False,
    ) -> Steps[int]:
        """Feed every difference between the online list and what we know, first the streams that
        we know nothing of; how many there were. What there is no time for is seen next time.

        With `news` only those: in a crowd that is all that hurries.
        """
        resync = yield from do(ListOnline(domain))
        found = () if resync is None else _unknown(resync) if only_unknown else _differences(resync)
        fed = 0
        for key, polled in found:
            if not may_go_on():
                break
            yield from self.handle(key, polled, options)
            fed += 1
        return fed

    def replay_undelivered(
        self, sources: Sequence[CallbackSource], may_go_on: Callable[[], bool]
    ) -> Steps[int]:
        """Feed what Live could not deliver; how much of it there was. What there is no time for is
        read again next time."""
        fed = 0
        for source in sources:
            undelivered = yield from do(ReadUndelivered(source))
            for one in [one for one in undelivered or () if one not in self._stored]:
                if not may_go_on():
                    return fed
                yield from self.handle(*one, ONLY_UNKNOWN)
                self._remember(one)
                fed += 1
            if undelivered is not None:
                yield from do(Mark(source))
        return fed

    def _remember(self, one: Undelivered) -> None:
        self._stored[one] = None
        while len(self._stored) > REMEMBERED:
            del self._stored[next(iter(self._stored))]

    def reconcile(self, options: HandlingOptions, *, alone: bool = True) -> Steps[int]:
        """Do what is due until nothing is for a while or the time is up; how much was done.

        Alone it is one sender; else there are as many as it takes.
        """
        done, idle = 0, 0
        while options.may_send() and idle < LINGER_MS:
            drained = yield from (self.drain(options) if alone else do(Drain()))
            soon = yield from do(NextDue())
            worked = drained > 0 or (soon is not None and soon <= SOON_MS)
            done, idle = done + drained, 0 if worked else idle + IDLE_POLL_MS
            yield from do(
                Wait(IDLE_POLL_MS if soon is None else max(min(soon, IDLE_POLL_MS), MIN_PAUSE_MS))
            )
        return done

    def drain(self, options: HandlingOptions) -> Steps[int]:
        """One sender: the first that is due, and the next, until nothing is; how much it was.

        It gives way to the others where they have the lane booked up.
        """
        done = 0
        while options.may_send():
            keys = yield from do(TakeDue(1, TAKEN_FOR_MS))
            if not keys:
                break
            handled = yield from self.handle(keys[0], TimePassed(), options)
            if handled.next_slot_in_ms > options.slot_wait_ms:
                yield from do(
                    Wait(min(round(handled.next_slot_in_ms) - options.slot_wait_ms, IDLE_POLL_MS))
                )
                break
            done += 1
        return done


def _after(step: _DecisionStep, save: Save, saved: Stored | Claimed) -> _DecisionStep:
    if isinstance(saved, Claimed):
        return replace(step, record=saved.record, claimed=saved)
    if saved.over_quota and save.if_no_quota:
        return replace(step, record=save.if_no_quota, notes=(*step.notes, Note(Reason.NO_QUOTA)))
    return replace(step, record=save.if_no_slot, next_slot_in_ms=saved.next_slot_in_ms)


def _quota(settings: StreamSettings) -> ConcurrencyQuota:
    rule = settings.rule
    return ConcurrencyQuota(rule.name, rule.max_concurrent, settings.max_concurrent, rule.priority)


def _with_over_quota(record: StreamRecord, *, over_quota: bool) -> StreamRecord:
    if record.pending is None or record.pending.over_quota is over_quota:
        return record
    return replace(record, pending=replace(record.pending, over_quota=over_quota))


def _unknown(resync: OnlineSnapshot) -> Iterator[tuple[StreamKey, Polled]]:
    known = {watched.key for watched in resync.watched}
    for key, published in resync.online.items():
        if key not in known:
            yield key, Polled(published, resync.asked_at)


def _differences(resync: OnlineSnapshot) -> Iterator[tuple[StreamKey, Polled]]:
    yield from _unknown(resync)
    for watched in resync.watched:
        published = resync.online.get(watched.key)
        if published is None or watched.doubted or watched.listed != published:
            yield watched.key, Polled(published, resync.asked_at)


def _is_of_a_file(event: Event) -> bool:
    """It is worth telling although no record changes by it."""
    return isinstance(event, FileLeft | FileFailed)


def _left(event: Event) -> tuple[File, ...]:
    """The file that is kept with the record, in one step."""
    if isinstance(event, FileLeft):
        return (File(event.uri, event.start, event.stop, event.duration),)
    return ()

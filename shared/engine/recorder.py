"""Carries a happening through: load, decide, save or claim, send, and what follows from the answer.

`handle`, `survey`, `reconcile` and `drain` are generators that yield effects; `EffectHandler`
performs them in production, and whoever explores or simulates performs them as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from shared.engine.effects import (
    Drain,
    List,
    Load,
    Look,
    Mark,
    Missed,
    NextDue,
    ReadBack,
    SaveOrClaim,
    Send,
    Source,
    Steps,
    Survey,
    TakeDue,
    Wait,
    do,
)
from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    FileFailed,
    FileLeft,
    Looked,
    Note,
    Reason,
    Recording,
    StreamKey,
    StreamSettings,
    TimePassed,
    claim,
    decide,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.file import File
from shared.protocol.quota import Place
from shared.protocol.stream import Command
from shared.quick import dataclass, replace
from shared.store.contract import Claimed, Conflict, Loaded, Save, Stored

HOLD = 2_000
"""ms after which what a killed sender had taken is handed out again."""
NEAR = 15_000
"""Reconcile stays for what is due this soon (ms),"""
LINGER = 2_000
"""and this long after its last work, for the wake that was swallowed meanwhile."""
POLL = 200
BREATH = 5


@dataclass(frozen=True, slots=True)
class HandleResult:
    """Where the stream stands now, and what was sent on the way with Live's answer to it.
    `lane_in` is in how many ms the slot came that was too far away to be waited for."""

    record: Recording
    now: int
    notes: tuple[Note, ...]
    refused: Reason | None = None
    sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
    lane_in: float = 0.0

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
        if pending is None or self.record.flight or pending.full:
            return False
        return pending.not_before - self.now <= NEAR


@dataclass(frozen=True, slots=True)
class HandlingOptions:
    """How much one kind of invocation may do: wait for a slot (ms), look, send at all, write down
    what makes no difference."""

    wait: int = 0
    looks: bool = False
    has_time: Callable[[], bool] = field(default=lambda: True)
    notes_all: bool = True


ONLY_STORE = HandlingOptions(has_time=lambda: False)
"""What a survey finds is sent with the rest of what is due: in order, by many senders."""
ONLY_NEWS = replace(ONLY_STORE, notes_all=False)
"""What is read back was often known by then, or is read again."""
REMEMBERED = 20_000
"""happenings that one process knows to have read back and stored; forgetting costs a load each."""


@dataclass(frozen=True, slots=True)
class _DecisionStep:
    record: Recording
    now: int
    notes: tuple[Note, ...]
    refused: Reason | None
    look: bool
    claimed: Claimed | None = None
    lane_in: float = 0.0


class Recorder:
    def __init__(
        self, terms: Callable[[StreamKey], StreamSettings], flight_id: Callable[[], str], lease: int
    ) -> None:
        self._terms = terms
        self._flight_id = flight_id
        self._lease = lease
        self._stored: dict[Missed, None] = {}

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> Steps[HandleResult]:
        """Everything that follows from one happening, as far as `manner` allows."""
        notes: tuple[Note, ...] = ()
        refused: Reason | None = None
        sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
        following: Event | None = event
        known: Loaded | None = None
        lane_in = 0.0
        while following is not None:
            step = yield from self._decide(key, following, options, known)
            notes, refused = (*notes, *step.notes), refused or step.refused
            following, known, lane_in = None, None, step.lane_in
            flight = step.record.flight
            if step.claimed is not None and flight is not None:
                heard = yield from do(Send(key, flight))
                sent = (*sent, (flight.command, heard.answer))
                following = CommandSettled(flight.id, heard.answer)
                known = Loaded(step.record, step.claimed.version, heard.at)
            elif step.look and options.looks:
                following = yield from do(Look(key, step.now))
        return HandleResult(step.record, step.now, notes, refused, sent, lane_in)

    def _decide(
        self, key: StreamKey, event: Event, options: HandlingOptions, known: Loaded | None
    ) -> Steps[_DecisionStep]:
        """Save before send; whoever saves second decides anew on what the first one left. What is
        `known` is not loaded: should it be so no more, the save tells."""
        while True:
            loaded = known or (yield from do(Load(key)))
            known = None
            terms = self._terms(key)
            decision = decide(loaded.record, event, loaded.now, terms)
            step = _DecisionStep(
                decision.record, loaded.now, decision.notes, decision.refused, decision.look
            )
            flying = self._claim(decision.record, loaded.now, options)
            tells = decision.notes and (options.notes_all or _is_of_a_file(event))
            if not flying and not tells and decision.record == loaded.record:
                return step
            save = self._save(loaded, decision.record, flying, terms, options)
            save = replace(save, notes=decision.notes, files=_left(event))
            saved = yield from do(SaveOrClaim(save))
            if not isinstance(saved, Conflict):
                return _after(step, save, saved)

    def _claim(self, record: Recording, now: int, options: HandlingOptions) -> Recording | None:
        if record.pending is None or not options.has_time():
            return None
        return claim(record, self._flight_id(), now)

    def _save(
        self,
        loaded: Loaded,
        record: Recording,
        flying: Recording | None,
        terms: StreamSettings,
        options: HandlingOptions,
    ) -> Save:
        place = _place(terms)
        queued, waiting = _full(record, full=False), None
        if flying and flying.flight and flying.flight.command is Command.START and place.is_limited:
            waiting = _full(record, full=True)
        return Save(
            loaded.version,
            queued,
            flying,
            wait=options.wait,
            lease=self._lease,
            place=place,
            waiting=waiting,
        )

    def survey(
        self,
        domain: str,
        options: HandlingOptions,
        may_go_on: Callable[[], bool] = lambda: True,
        *,
        news: bool = False,
    ) -> Steps[int]:
        """Feed every difference between the online list and what we know, first the streams that
        we know nothing of; how many there were. What there is no time for is seen next time.

        With `news` only those: in a crowd that is all that hurries.
        """
        survey = yield from do(List(domain))
        found = () if survey is None else _news(survey) if news else _differences(survey)
        fed = 0
        for key, looked in found:
            if not may_go_on():
                break
            yield from self.handle(key, looked, options)
            fed += 1
        return fed

    def catch_up(self, sources: Sequence[Source], may_go_on: Callable[[], bool]) -> Steps[int]:
        """Feed what Live could not deliver; how much of it there was. What there is no time for is
        read again next time."""
        fed = 0
        for source in sources:
            missed = yield from do(ReadBack(source))
            for one in [one for one in missed or () if one not in self._stored]:
                if not may_go_on():
                    return fed
                yield from self.handle(*one, ONLY_NEWS)
                self._remember(one)
                fed += 1
            if missed is not None:
                yield from do(Mark(source))
        return fed

    def _remember(self, one: Missed) -> None:
        self._stored[one] = None
        while len(self._stored) > REMEMBERED:
            del self._stored[next(iter(self._stored))]

    def reconcile(self, options: HandlingOptions, *, alone: bool = True) -> Steps[int]:
        """Do what is due until nothing is for a while or the time is up; how much was done.

        Alone it is one sender; else there are as many as it takes.
        """
        done, idle = 0, 0
        while options.has_time() and idle < LINGER:
            drained = yield from (self.drain(options) if alone else do(Drain()))
            soon = yield from do(NextDue())
            worked = drained > 0 or (soon is not None and soon <= NEAR)
            done, idle = done + drained, 0 if worked else idle + POLL
            yield from do(Wait(POLL if soon is None else max(min(soon, POLL), BREATH)))
        return done

    def drain(self, options: HandlingOptions) -> Steps[int]:
        """One sender: the first that is due, and the next, until nothing is; how much it was.

        It gives way to the others where they have the lane booked up.
        """
        done = 0
        while options.has_time():
            keys = yield from do(TakeDue(1, HOLD))
            if not keys:
                break
            handled = yield from self.handle(keys[0], TimePassed(), options)
            if handled.lane_in > options.wait:
                yield from do(Wait(min(round(handled.lane_in) - options.wait, POLL)))
                break
            done += 1
        return done


def _after(step: _DecisionStep, save: Save, saved: Stored | Claimed) -> _DecisionStep:
    if isinstance(saved, Claimed):
        return replace(step, record=saved.record, claimed=saved)
    if saved.full and save.waiting:
        return replace(step, record=save.waiting, notes=(*step.notes, Note(Reason.NO_PLACE)))
    return replace(step, record=save.queued, lane_in=saved.lane_in)


def _place(terms: StreamSettings) -> Place:
    rule = terms.rule
    return Place(rule.name, rule.max_concurrent, terms.max_concurrent, rule.priority)


def _full(record: Recording, *, full: bool) -> Recording:
    if record.pending is None or record.pending.full is full:
        return record
    return replace(record, pending=replace(record.pending, full=full))


def _news(survey: Survey) -> Iterator[tuple[StreamKey, Looked]]:
    known = {watched.key for watched in survey.watched}
    for key, published in survey.online.items():
        if key not in known:
            yield key, Looked(published, survey.asked_at)


def _differences(survey: Survey) -> Iterator[tuple[StreamKey, Looked]]:
    yield from _news(survey)
    for watched in survey.watched:
        published = survey.online.get(watched.key)
        if published is None or watched.doubted or watched.listed != published:
            yield watched.key, Looked(published, survey.asked_at)


def _is_of_a_file(event: Event) -> bool:
    """It is worth telling although no record changes by it."""
    return isinstance(event, FileLeft | FileFailed)


def _left(event: Event) -> tuple[File, ...]:
    """The file that is kept with the record, in one step."""
    if isinstance(event, FileLeft):
        return (File(event.uri, event.start, event.stop, event.duration),)
    return ()

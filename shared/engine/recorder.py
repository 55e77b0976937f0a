"""Handles an event: load, decide, save or claim, send, and handle the answer.

`handle` and `drain_one` are generators that yield effects. `EffectHandler` performs the effects in
production; the explorer and the simulation perform them in their own ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.engine import counters
from shared.engine.change_events import Change, event_tasks
from shared.engine.effects import (
    Load,
    QueryOnline,
    ReportBroken,
    ReportCrash,
    SaveOrClaim,
    Send,
    Steps,
    T,
    TakeDue,
    do,
)
from shared.ledger.edges import edge_of, edges_between
from shared.outbox.task import NewTask
from shared.outbox.verify_file import verify_file
from shared.protocol import (
    Accepted,
    CommandSettled,
    Decision,
    Event,
    FileLeft,
    HistoryEntry,
    Occurrence,
    Reason,
    SettingsChanged,
    StopAsked,
    StreamKey,
    StreamRecord,
    StreamSettings,
    TimePassed,
    claim,
    decide,
    due_at,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.continuity import Continuity
from shared.protocol.derived.ends_recording import ends_recording
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.rules.decide import is_worth_keeping
from shared.protocol.rules.retention import put_off, with_end
from shared.protocol.rules.stored_times import within_reach
from shared.protocol.state.invariants import broken
from shared.protocol.state.recording import record_of_unknown
from shared.protocol.stream import Command
from shared.store.contract import (
    LEAST_KEEP_MS,
    Claimed,
    Conflict,
    Loaded,
    NotForgotten,
    Save,
    Stored,
    entries_of,
)
from shared.store.store_errors import StoreUnavailable, Unreadable

TAKEN_FOR_MS = 2_000
"""The time after which streams taken by a killed worker are handed out again."""
SOON_MS = 15_000
"""A reconcile waits for work that is due within this time."""
CHECK_SOON_MS = 60_000
"""A reconcile that has checked a start waits for the next check within this time, so that a start
which Live did not carry out is repeated on time."""


class HandleResult(Struct, frozen=True):
    """The stream's record after an event was handled, and the commands that were sent, with Live's
    answers.

    `next_slot_in_ms`: in how many ms the next slot comes, if it was too far away to wait for; the
    command is then still pending. Otherwise it is 0.
    """

    record: StreamRecord
    now: int
    entries: tuple[HistoryEntry, ...]
    refused: Reason | None = None
    sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
    next_slot_in_ms: float = 0.0
    is_saved: bool = True
    """Whether the event was stored; False if it changed nothing."""
    before: StreamRecord | None = None
    """The record as the event found it."""

    @property
    def again_in(self) -> int | None:
        """Return in how many ms the pending command is to be retried. Return None if no command is
        pending, if one is on the wire, or if the pending one only waits for a slot."""
        pending = self.record.pending
        if pending is None or self.record.flight or pending.not_before <= self.now:
            return None
        return pending.not_before - self.now

    @property
    def waits(self) -> bool:
        """Return True if reconcile should be woken: a command or check is due within SOON_MS, and
        no command is on the wire. A command that waits for quota does not count."""
        record = self.record
        if record.flight:
            return False
        if record.pending and record.pending.over_quota:
            record = replace(record, pending=None)
        due = due_at(record)
        return due is not None and due - self.now <= SOON_MS

    @property
    def awaits_check(self) -> bool:
        """Return True if an earlier start must be checked again within CHECK_SOON_MS. A start that
        Live has just accepted does not count, because its first check may wait for the timer."""
        confirmation = self.record.confirmation
        if confirmation is None or confirmation.check_at is None or self.now <= confirmation.at:
            return False
        return confirmation.check_at - self.now <= CHECK_SOON_MS


class Crashed(Struct, frozen=True):
    """Handling this stream raised an unexpected exception, which is reported."""

    key: StreamKey
    next_slot_in_ms: float = 0.0
    awaits_check: bool = False


class HandlingOptions(Struct, frozen=True):
    """The things that an invocation may do: wait up to `slot_wait_ms` for a slot, poll Live, send
    commands, and record events that change nothing. With `must_save`, even an unchanged record is
    saved, which moves it to its new place in the queue. `counts` are added to the stage's counters
    in the save of the event.
    """

    slot_wait_ms: int = 0
    may_query_live: bool = False
    may_send: Callable[[], bool] = lambda: True
    record_no_ops: bool = True
    must_save: bool = False
    counts: Mapping[str, int] = {}


class _DecisionStep(Struct, frozen=True):
    record: StreamRecord
    now: int
    entries: tuple[HistoryEntry, ...]
    refused: Reason | None
    query_online: bool
    broken: tuple[str, ...]
    continuity: Continuity
    before: StreamRecord
    claimed: Claimed | None = None
    next_slot_in_ms: float = 0.0
    is_saved: bool = False


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

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> Steps[HandleResult]:
        """Handle an event: decide, save, send the command, and handle Live's answer, as far as
        `options` allow. Return the outcome."""
        entries: tuple[HistoryEntry, ...] = ()
        refused: Reason | None = None
        sent: tuple[tuple[Command, Accepted | LiveError], ...] = ()
        following: Event | None = event
        known: Loaded | None = None
        next_slot_in_ms = 0.0
        not_held: tuple[str, ...] = ()
        must_query = False
        is_saved: bool | None = None
        before: StreamRecord | None = None
        while following is not None:
            step = yield from self._decide(key, following, options, known)
            if is_saved is None:
                is_saved, before = step.is_saved, step.before
                options = replace(options, counts={}) if options.counts else options
            entries, refused = (*entries, *step.entries), refused or step.refused
            following, known, next_slot_in_ms = None, None, step.next_slot_in_ms
            not_held = not_held or step.broken
            flight, must_query = step.record.flight, must_query or step.query_online
            if step.claimed is not None and flight is not None:
                heard = yield from do(Send(key, flight))
                sent = (*sent, (flight.command, heard.answer))
                following = CommandSettled(flight.id, heard.answer, heard.sent_at)
                known = Loaded(step.record, step.claimed.version, heard.at, step.continuity)
            elif must_query and options.may_query_live:
                must_query = False
                following = yield from do(QueryOnline(key, step.now))
        if not_held:
            yield from do(ReportBroken(key, not_held))
        return HandleResult(
            step.record, step.now, entries, refused, sent, next_slot_in_ms, bool(is_saved), before
        )

    def _decide(
        self, key: StreamKey, event: Event, options: HandlingOptions, known: Loaded | None
    ) -> Steps[_DecisionStep]:
        """Decide about the event and save the result, before anything is sent. After a conflict,
        decide again on the other writer's record. `known` spares the first load; if it is outdated,
        the save detects that.
        """
        while True:
            loaded = known or (yield from self._load(key, event))
            known = None
            settings = self._settings_of(key)
            decision = decide(loaded.record, event, loaded.now, settings, loaded.continuity)
            step = _DecisionStep(
                decision.record,
                loaded.now,
                decision.entries,
                decision.refused,
                decision.query_online,
                broken(decision.record, observe=settings.observe),
                loaded.continuity,
                loaded.record,
            )
            if_slot = self._claim(decision.record, loaded.now, options)
            is_due = options.must_save and loaded.version > 0
            needs_save = is_due or _needs_save(loaded, decision, event, options)
            if not (if_slot or needs_save):
                return step
            save = self._save(loaded, decision.record, if_slot, settings, options)
            save = _completed(save, loaded, decision, event, settings)
            saved = yield from do(SaveOrClaim(save))
            if isinstance(saved, NotForgotten):
                step = replace(step, record=put_off(loaded.record, loaded.now), entries=())
                save = self._save(loaded, step.record, None, settings, options)
                saved = yield from do(SaveOrClaim(save))
            if isinstance(saved, Stored | Claimed):
                return _after(step, save, saved)

    def _load(self, key: StreamKey, event: Event) -> Steps[Loaded]:
        """Return the record. If it cannot be read, raise Unreadable; only a person's stop goes on,
        with an empty record that replaces the unreadable one."""
        loaded = yield from do(Load(key))
        if isinstance(loaded, Loaded):
            return loaded
        if not isinstance(event, StopAsked):
            raise loaded
        record = record_of_unknown(key, loaded.now)
        return Loaded(record, loaded.version, loaded.now, sets_aside=True)

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
            decided_at=loaded.now,
            slot_wait_ms=options.slot_wait_ms,
            lease_ms=self._lease,
            quota=quota,
            if_no_quota=if_no_quota,
            sets_aside=loaded.sets_aside,
            keep_ms=max(settings.keep, LEAST_KEEP_MS),
            keep_ledger_ms=settings.keep_ledger,
            counts=options.counts,
        )

    def put_in_order(self, key: StreamKey) -> Steps[None]:
        """Save the record again, so that its due entry (its place in the queue) is computed afresh.
        If the store's clock was set back, times in the record that lie too far ahead become the
        latest allowed ones. A record of release 0.2 gets the time at which it is to be forgotten.
        """
        yield from self._alone(key, self._put_in_order(key), is_due=True)

    def _put_in_order(self, key: StreamKey) -> Steps[None]:
        settings = self._settings_of(key)
        while (loaded := (yield from self._load(key, TimePassed()))).version:
            record = with_end(within_reach(loaded.record, loaded.now, settings), settings.keep)
            save = self._save(loaded, record, None, settings, HandlingOptions())
            # A full store takes it too: a pending stop must not wait where a wrong clock put it.
            must_fit = ends_recording(loaded.record, record, TimePassed())
            if not isinstance(
                (yield from do(SaveOrClaim(replace(save, must_fit=must_fit)))), Conflict
            ):
                return

    def handle_alone(
        self, key: StreamKey, event: Event, options: HandlingOptions, *, is_due: bool = False
    ) -> Steps[HandleResult | Crashed]:
        """Handle an event of one of many streams. If that raises an exception, report it and return
        Crashed, so that the caller can go on with the other streams. Only StoreUnavailable is
        raised. After an exception, the store postpones a stream that was due (`is_due`) or whose
        record cannot be read."""
        return (yield from self._alone(key, self.handle(key, event, options), is_due=is_due))

    def _alone(self, key: StreamKey, steps: Steps[T], *, is_due: bool) -> Steps[T | Crashed]:
        try:
            return (yield from steps)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is
            postpones = is_due or isinstance(error, Unreadable)
            yield from do(ReportCrash(key, error, postpones))
            return Crashed(key)

    def note_absence(self, key: StreamKey, occurrence: Occurrence) -> Steps[None]:
        """Record in the ledger of `key`, a schedule's pattern, that no stream of the pattern was
        live for this occurrence. A pattern has a ledger, but no stream record."""
        keep_ms = self._settings_of(key).keep_ledger
        save = Save(0, StreamRecord(key), edges=(edge_of(occurrence),), keep_ledger_ms=keep_ms)
        yield from do(SaveOrClaim(save))

    def drain_one(self, options: HandlingOptions) -> Steps[HandleResult | Crashed | None]:
        """Handle the first stream that is due; return None if none is."""
        keys = yield from do(TakeDue(1, TAKEN_FOR_MS))
        if not keys:
            return None
        options = replace(options, must_save=True)
        return (yield from self.handle_alone(keys[0], TimePassed(), options, is_due=True))


def _verifying(key: StreamKey, event: Event, settings: StreamSettings) -> tuple[NewTask, ...]:
    """Return the task that verifies a reported file, if the stage knows its bucket."""
    if not (settings.files_in and isinstance(event, FileLeft)):
        return ()
    return verify_file(key, event.uri, settings.files_in)


def _completed(
    save: Save, loaded: Loaded, decision: Decision, event: Event, settings: StreamSettings
) -> Save:
    """Return the save with everything that is stored with the record: history, files, edges, tasks
    and counts. Copy the save only once, because every callback pays for it."""
    before, now, over_quota = loaded.record, loaded.now, save.if_no_quota
    is_blank = decision.record.is_blank  # a forgotten stream's ledger stays as it is
    files = _verifying(save.key, event, settings)
    save = replace(
        save,
        entries=decision.entries,
        files=_left(event),
        must_fit=ends_recording(before, decision.record, event),
        tasks=files,
        tasks_over_quota=files,
        edges=() if is_blank else edges_between(before, save.if_no_slot, now, settings),
        edges_over_quota=edges_between(before, over_quota, now, settings) if over_quota else (),
        counts={**save.counts, **counters.of_decision(event, before, decision, now)},
    )
    if not settings.event_globs:
        return save
    return _with_events(
        save, Change(loaded, save.if_no_slot, save.edges, event, save.entries), settings
    )


def _with_events(save: Save, change: Change, settings: StreamSettings) -> Save:
    """Return the save with the webhook events of its change, once for each outcome: with room in
    the quota, and without."""
    tasks, beyond = (*save.tasks, *event_tasks(change, settings)), save.tasks_over_quota
    if save.if_no_quota:
        change = replace(change, after=save.if_no_quota, edges=save.edges_over_quota)
        beyond = (*beyond, *event_tasks(change, settings))
    return replace(save, tasks=tasks, tasks_over_quota=beyond)


def _after(step: _DecisionStep, save: Save, saved: Stored | Claimed) -> _DecisionStep:
    step = replace(step, is_saved=True)
    if isinstance(saved, Claimed):
        return replace(step, record=saved.record, claimed=saved)
    if saved.over_quota and save.if_no_quota:
        return replace(step, record=save.if_no_quota, entries=entries_of(save, saved))
    return replace(step, record=save.if_no_slot, next_slot_in_ms=saved.next_slot_in_ms)


def _quota(settings: StreamSettings) -> ConcurrencyQuota:
    rule = settings.rule
    return ConcurrencyQuota(rule.name, rule.max_concurrent, settings.max_concurrent, rule.priority)


def _with_over_quota(record: StreamRecord, *, over_quota: bool) -> StreamRecord:
    if record.pending is None or record.pending.over_quota is over_quota:
        return record
    return replace(record, pending=replace(record.pending, over_quota=over_quota))


def _needs_save(loaded: Loaded, decision: Decision, event: Event, options: HandlingOptions) -> bool:
    """Return True if the decision changed the record, or is worth a line of history. An unknown
    stream has no history."""
    if decision.record != loaded.record or _may_fit_now(loaded.record, event):
        return True
    tells = bool(decision.entries) and (options.record_no_ops or is_worth_keeping(event))
    return tells and not decision.record.is_blank


def _may_fit_now(record: StreamRecord, event: Event) -> bool:
    """Return True for a start that waits for a quota which may have been raised. The record is then
    saved without a claim, which makes the start due again."""
    waits = record.pending is not None and record.pending.over_quota
    return waits and isinstance(event, SettingsChanged)


def _left(event: Event) -> tuple[File, ...]:
    """Return the file that the event reports, to be stored with the record; else ()."""
    if isinstance(event, FileLeft):
        return (File(event.uri, event.start, event.stop, event.duration, event.push_args),)
    return ()

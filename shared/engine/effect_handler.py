"""Performs the recorder's effects on a real store and the real Live API.

Each invocation has one `EffectHandler`. It waits for slots and reports failures, and decides
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from shared.engine.effects import (
    CallbackSource,
    CommandResult,
    Effect,
    ListOnline,
    LiveApi,
    Load,
    OnlineSnapshot,
    QueryOnline,
    ReadUndelivered,
    ReadWatched,
    RecordStore,
    ReportBroken,
    ReportCrash,
    SaveOrClaim,
    Send,
    TakeDue,
    TouchSource,
    Undelivered,
)
from shared.engine.step_marks import list_failed, list_read
from shared.errors import LiveRecordError
from shared.outbox.task import DROPPED
from shared.protocol import Accepted, Flight, HistoryEntry, Polled, StreamKey
from shared.protocol.command_errors import SLOT_MISSED, LiveError, NeverSent, Throttled
from shared.protocol.state.command import MAX_SLOT_WAIT_MS
from shared.store.contract import (
    MAX_THROTTLE_PAUSE_MS,
    Claimed,
    Loaded,
    Save,
    Saved,
    Stored,
    entries_of,
)
from shared.store.store_errors import StoreUnavailable, Unreadable

LATE_S = 0.05
"""A command is sent at most this long (s) after its slot, so that it does not collide with later
slots. A rate limit of 45 a second then never sends more than 48 commands in any second. The
remaining two of the account's 50 allow for delays on the way to Live."""
NEARLY_FREE_MS = 150
"""If the slot of a claim is nearer than this (ms), one more worker would find a slot soon, too."""
THROTTLE_PAUSE_MS = 200
"""The shortest time (ms) for which the rate limit gives no slots after Live has throttled."""
POLL_SLOT_WAIT_MS = MAX_SLOT_WAIT_MS
"""ms that a poll waits for its slot. After that the poll has failed, which proves nothing."""

OVERLAP_MS = 180_000
"""ms by which a read of undelivered callbacks overlaps the last one. Live tries a callback for
about 35 s (docs/platform/live.md §2); how soon it then lists the callback is UNCONFIRMED."""
AHEAD_MS = 60_000
"""ms by which Live's clock may be ahead of ours: undelivered callbacks are read up to that far in
the future."""
MAX_REPLAY_AGE_MS = 6 * 24 * 3_600_000
"""How far back (ms) undelivered callbacks are read at most; Live keeps them for seven days
(docs/platform/live.md §7)."""


class _Slot(Struct, frozen=True):
    """The earliest and latest time of a flight's slot, in s by this machine's clock. The store gave
    the slot some time between our request and its answer."""

    earliest: float
    latest: float


class EffectHandler:
    """Performs effects on a real store and a real Live API, for one invocation."""

    def __init__(  # noqa: PLR0913 - everything an invocation touches
        self,
        store: RecordStore,
        live: LiveApi,
        *,
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
        report: Callable[[str, Exception], None],
        on_free_slot: Callable[[], None] = lambda: None,
        report_broken: Callable[[StreamKey, tuple[str, ...]], None] = lambda _key, _names: None,
        report_crash: Callable[[StreamKey, Exception], None] = lambda _key, _error: None,
        log_decided: Callable[[StreamKey, Sequence[HistoryEntry]], None] = lambda _key, _lines: (
            None
        ),
        note_unusable: Callable[[str, Sequence[StreamKey]], None] = lambda _domain, _keys: None,
    ) -> None:
        """Keep the collaborators. `wait` takes seconds. `on_free_slot` is called after a claim
        whose slot is near: one more worker would find a slot soon, too. `report` gets the error of
        a request; `report_broken` the invariants that a decision violated; `report_crash` the
        exception from handling a stream; `log_decided` the history of each stored save;
        `note_unusable` the streams of a domain's online list whose names no command can contain.
        """
        self._store = store
        self._live = live
        self._monotonic = monotonic
        self._wait = wait
        self._report = report
        self._on_free_slot = on_free_slot
        self._report_broken = report_broken
        self._report_crash = report_crash
        self._log_decided = log_decided
        self._note_unusable = note_unusable
        self._slots: dict[str, _Slot] = {}

    def perform(self, effect: Effect[Any]) -> Any:  # noqa: ANN401 - one arm an effect
        match effect:
            case Load(key=key):
                return self._load(key)
            case SaveOrClaim(save=save):
                return self._save(save)
            case Send(key=key, flight=flight):
                return self._send(key, flight)
            case QueryOnline(key=key, asked_at=asked_at):
                return self._query_online(key, asked_at)
            case ReportBroken() | ReportCrash():
                return self._report_fault(effect)
            case ListOnline() | ReadWatched() | ReadUndelivered() | TouchSource() | TakeDue():
                return self._perform_at_large(effect)
            case _:
                raise AssertionError(effect)

    def _perform_at_large(
        self, effect: ListOnline | ReadWatched | ReadUndelivered | TouchSource | TakeDue
    ) -> Any:  # noqa: ANN401 - as above
        """Perform an effect that is about no single stream."""
        match effect:
            case ListOnline(domain=domain):
                return self._list(domain)
            case ReadWatched(domain=domain):
                return self._store.watched(domain)
            case ReadUndelivered(source=source):
                return self._read_undelivered(source)
            case TouchSource(source=source):
                return self._store.touch(source.timestamp)
            case TakeDue(limit=limit, hold=hold):
                return self._store.take_due(limit, hold)

    def _load(self, key: StreamKey) -> Loaded | Unreadable:
        try:
            return self._store.load(key)
        except Unreadable as error:
            return error

    def _report_fault(self, fault: ReportBroken | ReportCrash) -> None:
        if isinstance(fault, ReportBroken):
            self._report_broken(fault.key, fault.names)
            return
        self._report_crash(fault.key, fault.error)
        if fault.postpones:
            self._store.postpone(fault.key)

    def _save(self, save: Save) -> Saved:
        if save.if_slot:
            self._live.prepare()
        # before ── the store gives the slot, `slot_in` ms ahead ── after: the slot lies between
        # before + slot_in and after + slot_in. Send no later than LATE_S after the earlier bound.
        before = self._monotonic()
        saved = self._store.save_or_claim(save)
        if isinstance(saved, Stored | Claimed):
            self._report_saved(save, saved)
        if isinstance(saved, Claimed) and saved.record.flight:
            away = saved.slot_in / 1000
            self._slots[saved.record.flight.id] = _Slot(before + away, self._monotonic() + away)
            if saved.slot_in < NEARLY_FREE_MS:
                self._on_free_slot()
        return saved

    def _report_saved(self, save: Save, saved: Stored | Claimed) -> None:
        if entries := entries_of(save, saved):
            self._log_decided(save.key, entries)
        if saved.dropped_tasks:
            why = f"the outbox is full: {save.key} loses {saved.dropped_tasks} tasks"
            self._report("outbox.dropped", LiveRecordError(why))
            with suppress(StoreUnavailable):
                self._store.touch(DROPPED)

    def _send(self, key: StreamKey, flight: Flight) -> CommandResult:
        slot = self._slots.pop(flight.id)
        self._wait(max(slot.earliest - self._monotonic(), 0))
        sent_at = self._time_after(slot, flight)
        answer = self._sent_in(slot, key, flight)
        return CommandResult(answer, self._time_after(slot, flight), sent_at)

    def _time_after(self, slot: _Slot, flight: Flight) -> int:
        """Return the time now by the store's clock, counted from the latest time of the slot."""
        return flight.sent_at + round((self._monotonic() - slot.latest) * 1000)

    def _sent_in(self, slot: _Slot, key: StreamKey, flight: Flight) -> Accepted | LiveError:
        if self._monotonic() - slot.earliest > LATE_S:
            return NeverSent(SLOT_MISSED, "its slot had passed before it could be sent")
        try:
            return Accepted(self._live.send(flight.command, key))
        except LiveError as error:
            self._report("command.failed", error)
            if isinstance(error, Throttled):
                self._slow(error)
            return error

    def _slow(self, error: Throttled) -> None:
        """Pause the rate limit, which other instances use too. Ignore a store that does not
        answer."""
        with suppress(StoreUnavailable):
            self._store.pause_slots(
                min(max(error.retry_after, THROTTLE_PAUSE_MS), MAX_THROTTLE_PAUSE_MS)
            )

    def _list(self, domain: str) -> OnlineSnapshot | None:
        """Return the snapshot, or None. Read the sessions first, then the time, then the list, so
        that a session which opens in between cannot look offline."""
        watched, asked_at = self._store.watched(domain), self._store.now()
        try:
            online = dict(self._live.online(domain))
        except LiveError as error:
            self._report("resync.failed", error)
            self._store.touch(list_failed(domain))
            return None
        commandable = self._commandable(domain, online)
        self._store.touch(list_read(domain))
        return OnlineSnapshot(asked_at, commandable, watched)

    def _commandable(self, domain: str, online: Mapping[StreamKey, int]) -> Mapping[StreamKey, int]:
        """Return the streams that a command can name. Others are not recorded, because no command
        could stop them."""
        unusable = [key for key in online if key.fault]
        if unusable:
            self._note_unusable(domain, unusable)
            first, count = unusable[0], len(unusable)
            sentence = f"{count} live streams cannot be recorded; the name in {first} {first.fault}"
            self._report("stream.unusable_name", LiveRecordError(sentence))
        return {key: at for key, at in online.items() if not key.fault}

    def _read_undelivered(self, source: CallbackSource) -> Sequence[Undelivered] | None:
        now, age = self._store.now(), self._store.age_ms(source.timestamp)
        since = now - min((age or 0) + OVERLAP_MS, MAX_REPLAY_AGE_MS)
        try:
            return self._live.undelivered(source, since, now + AHEAD_MS, self._take_poll_slot)
        except LiveError as error:
            self._report("replay.failed", error)
            return None

    def _take_poll_slot(self) -> None:
        slot_in = self._store.poll_slot(POLL_SLOT_WAIT_MS)
        if slot_in is None:
            raise NeverSent("NoSlot", "the rate limit of polls is used up")
        self._wait(slot_in / 1000)

    def _query_online(self, key: StreamKey, asked_at: int) -> Polled | None:
        slot_in = self._store.poll_slot(POLL_SLOT_WAIT_MS)
        if slot_in is None:
            return None
        self._wait(slot_in / 1000)
        try:
            return Polled(self._live.find(key), asked_at)
        except LiveError as error:
            self._report("poll.failed", error)
            return None

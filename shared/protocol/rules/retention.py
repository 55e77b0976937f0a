"""Decides when to forget a stream: its record, and everything stored about it.

`decide` calls this module last. A store deletes a record that has become blank.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.events import HOUR_MS, Event, Polled, TimePassed
from shared.protocol.reason import Reason
from shared.protocol.rules.idempotency import KEY_AGE_MS
from shared.protocol.rules.transition import Transition
from shared.protocol.state.recording import StreamRecord

ABSENCE_POLL_MS = 24 * HOUR_MS
"""How often a stream whose session has not ended is polled, once its retention is over."""
STEADY_MS = HOUR_MS
"""How long the store's clock must have run without a gap before a stream is forgotten."""


def settle(transition: Transition, event: Event) -> None:
    """Set the time at which the record is forgotten, and forget it if that time has come.

    If the session has not ended, the stream is polled first: it may be live although Live has
    reported nothing about it for long, for example because the policy no longer names its domain.
    (A session that has ended was missing in two polls already.) Nothing is forgotten within an hour
    of a gap of the store's clock, so that a clock which jumps a month ahead is noticed first.
    """
    if transition.record.is_blank:
        return
    forget_at = _forget_at(transition.record, transition.settings.keep)
    transition.change(forget_at=forget_at)
    if forget_at is None:
        return
    if isinstance(event, TimePassed) and transition.now >= forget_at:
        _forget_or_poll(transition)
    elif isinstance(event, Polled) and event.published is None:
        _forget_absent(transition, event)


def with_end(record: StreamRecord, keep: int) -> StreamRecord:
    """Return the record with the time at which it is forgotten (`forget_at`); `keep` is the stage's
    retention in ms. Records of release 0.2 have no such time."""
    return record if record.is_blank else replace(record, forget_at=_forget_at(record, keep))


def put_off(record: StreamRecord, now: int) -> StreamRecord:
    """Return the record with a new `forget_at`, one day from now. The record was due to be
    forgotten, but the store refused to forget it, because a task of the stream is open. Only the
    store knows of tasks."""
    return replace(record, forget_at=now + ABSENCE_POLL_MS)


def _forget_at(record: StreamRecord, keep: int) -> int | None:
    if not record.is_at_rest or record.planned:
        return None
    polled_at = record.absence_polled_at
    kept_until = _kept_until(record, keep)
    return kept_until if polled_at is None else max(kept_until, polled_at + ABSENCE_POLL_MS)


def _kept_until(record: StreamRecord, keep: int) -> int:
    """Return the time until which somebody may still need the record. Coming occurrences and open
    tasks keep the record longer; `_forget_at` and the store check these."""
    intent = record.intent
    holds = (intent.held_until or 0, intent.held_opening_before or 0)
    keys = [ask.at + KEY_AGE_MS for ask in record.asked]
    return max(record.changed_at + keep, *holds, *keys)


def _forget_or_poll(transition: Transition) -> None:
    steady_at = transition.continuity.steady_since + STEADY_MS
    if transition.now < steady_at:
        transition.change(forget_at=steady_at)
        return
    if transition.record.is_off:
        _forget(transition)
        return
    transition.query_online = True
    transition.change(absence_polled_at=transition.now)
    transition.change(forget_at=_forget_at(transition.record, transition.settings.keep))


def _forget_absent(transition: Transition, event: Polled) -> None:
    record = transition.record
    if record.session is None and event.asked_at >= _kept_until(record, transition.settings.keep):
        _forget(transition)


def _forget(transition: Transition) -> None:
    transition.record = StreamRecord(transition.record.key)
    transition.add_entry(Reason.FORGOTTEN)

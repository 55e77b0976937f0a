"""The protocol of one stream: an event leads to the next record of the stream, and to at most one
command."""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.due_times import never_live_at, next_poll
from shared.protocol.events import (
    CancelDelayAsked,
    CommandSettled,
    Event,
    ExtendAsked,
    FileFailed,
    FileLeft,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Polled,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    RestartAsked,
    SettingsChanged,
    StartAsked,
    StateImported,
    StopAsked,
    StreamSettings,
    TimePassed,
    Unpublished,
)
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.rules import (
    command_result,
    idempotency,
    reassert,
    recording_status,
    retention,
    schedule,
    state_import,
    stop_check,
)
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.next_command import next_command
from shared.protocol.rules.stored_times import over_the_gap, within_reach
from shared.protocol.rules.transition import Transition
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import Command


class Decision(Struct, frozen=True):
    """The result of `decide`: the next record, and the new entries of the history. `query_online`:
    poll the online list now. `refused`: why a person's request was refused; None if it was not."""

    record: StreamRecord
    entries: tuple[HistoryEntry, ...]
    query_online: bool
    refused: Reason | None


def decide(
    record: StreamRecord,
    event: Event,
    now: int,
    settings: StreamSettings,
    continuity: Continuity = UNBROKEN,
) -> Decision:
    """Return the next record of the stream, after the event. `now` is the store's time;
    `continuity` says how far back the store can be relied on.

    If the stream is unknown, a report about it stores nothing, so that callbacks with made-up names
    cannot fill a store. A publish, the online list or a file makes a stream known.
    """
    if record.is_blank and isinstance(event, _REPORTS):
        return Decision(record, (), query_online=False, refused=None)
    reachable = over_the_gap(within_reach(record, now, settings), settings, continuity)
    transition = Transition(reachable, now, settings, continuity)
    if settings.observe:
        _withdraw_pending(transition)
    elif reachable.intent.unsent_stop:
        _send_observed_stop(transition)
    elif reachable.is_live and reachable.is_started:
        confirmation_rules.send_unsent(transition)
    if not isinstance(event, CommandSettled):
        _pass_time(transition)
    if not idempotency.is_repeated_request(transition, event):
        _happen(transition, event)
        if transition.refused:  # the same key may be sent again when the stream has changed
            transition.change(asked=record.asked)
    schedule.follow(transition)
    _send_start(transition, record)
    if transition.record != record or is_worth_keeping(event):
        asked = idempotency.unexpired(transition.record.asked, now)
        transition.change(changed_at=now, asked=asked)
    retention.settle(transition, event)
    return Decision(
        transition.record, tuple(transition.entries), transition.query_online, transition.refused
    )


_REPORTS = (Reported, RecordFailed, FileFailed, Remarked)


def is_worth_keeping(event: Event) -> bool:
    """Return True if the history should show the event even if the record does not change."""
    return isinstance(event, FileLeft | FileFailed)


def _happen(transition: Transition, event: Event) -> None:  # noqa: C901, PLR0912 - the closed union
    match event:
        case StartAsked():
            intent_rules.start(transition, event)
        case StopAsked():
            intent_rules.stop(transition, event)
        case ExtendAsked():
            intent_rules.extend(transition, event)
        case RestartAsked():
            intent_rules.restart(transition, event)
        case CancelDelayAsked():
            intent_rules.cancel_delay(transition, event)
        case OccurrencesPlanned():
            schedule.plan(transition, event)
        case OccurrencePut():
            schedule.put(transition, event)
        case OccurrenceSkipped():
            schedule.skip(transition, event)
        case Published():
            session_rules.published(transition, event)
        case Unpublished():
            session_rules.unpublished(transition, event)
        case Polled():
            session_rules.polled(transition, event)
        case CommandSettled():
            command_result.settle(transition, event)
        case Reported():
            recording_status.reported(transition, event)
        case RecordFailed():
            recording_status.failed(transition, event)
        case FileLeft():
            recording_status.file_left(transition, event)
        case FileFailed():
            recording_status.file_failed(transition, event)
        case Remarked():
            recording_status.remarked(transition, event)
        case StateImported():
            state_import.take_over(transition, event)
        case TimePassed():
            _check(transition, event)
        case SettingsChanged():
            session_rules.settings_changed(transition)
        case _:  # pragma: no cover - the union is closed
            raise AssertionError(event)


def _withdraw_pending(transition: Transition) -> None:
    """Drop the pending command, because the stage was set to observe meanwhile."""
    pending = transition.record.pending
    if pending is not None:
        transition.change(pending=None)
        transition.observe(pending.command, pending.reason)


def _send_observed_stop(transition: Transition) -> None:
    """Send the stop that was requested, or became due, while the stage only observed."""
    intent = transition.record.intent
    transition.change_intent(unsent_stop=False)
    transition.enqueue_if_idle(Command.STOP, intent.reason)


def _pass_time(transition: Transition) -> None:
    """Apply what time alone has changed, before the event itself is decided."""
    flight = transition.record.flight
    if flight is not None and transition.now >= flight.lease_until:
        command_result.lapse(transition, flight)
    reassert.end_doubts(transition)
    schedule.keep_up(transition)
    schedule.pass_time(transition)
    intent_rules.end_by_time(transition)
    at = never_live_at(transition.record)
    if at is not None and transition.now >= at:
        intent_rules.end_never_live(transition)


def _send_start(transition: Transition, before: StreamRecord) -> None:
    """Queue the start that follows from the record. A stage that observes notes it once instead."""
    record, command = transition.record, next_command(transition.record)
    noted = (before.session_number, before.intent.generation)
    is_noted = noted == (record.session_number, record.intent.generation)
    if command and not (transition.settings.observe and is_noted):
        transition.enqueue(*command)


def _check(transition: Transition, event: TimePassed) -> None:
    session = transition.record.session
    look_at = next_poll(session) if session and event.may_query_online else None
    if session and look_at is not None and transition.now >= look_at:
        transition.change_session(polls=session.polls + 1)
        transition.query_online = True
    confirmation_rules.check(transition, may_query_online=event.may_query_online)
    stop_check.check(transition)

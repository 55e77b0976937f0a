"""The invariants of a record: conditions that hold after every decision, whatever happened to the
stream.

The recorder calls `broken` after a decision, and logs what it returns; tests, explorer and
simulation fail on it. An invariant reads only the record: it knows no clock and no settings, and
repairs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.state.command import MAX_DOUBTS_ENTRIES
from shared.protocol.state.confirmation import ConfirmationState, StartSource
from shared.protocol.state.intent import MAX_KEYS, Requester
from shared.protocol.state.occurrence import MAX_MISSED_ENTRIES, MAX_PLANNED_ENTRIES
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState
from shared.protocol.stream import ENDS, Command

Invariant: TypeAlias = Callable[[StreamRecord], bool]
"""Returns True while the invariant holds. Its docstring is the sentence in docs/protocol.md."""

_START_ASKED = (Reason.ASKED_START, Reason.ASKED_AGAIN)
_ASKED_OF_UNMANAGED = (Reason.ASKED_RESTART, Reason.ASKED_CANCEL_DELAY)


def broken(record: StreamRecord, *, observe: bool = False) -> tuple[str, ...]:
    """Return the names of the invariants that do not hold. `observe`: the stage only observes, so
    that other invariants hold than in a stage that acts."""
    held = _OBSERVING if observe else _ACTING
    return tuple([invariant.__name__ for invariant in held if not invariant(record)])


# --- the intent ----------------------------------------------------------------------------------


def requester_fits_intent(record: StreamRecord) -> bool:
    """Nobody is the requester before the first intent. An intent of policy or of a schedule wants a
    recording. An intent that was made when an earlier one ended wants none."""
    intent = record.intent
    if (intent.generation == 0) != (intent.requester is Requester.NOBODY):
        return False
    if intent.wanted:
        return intent.requester not in (Requester.NOBODY, Requester.END)
    return intent.requester not in (Requester.POLICY, Requester.SCHEDULE)


def wanted_implies_no_hold(record: StreamRecord) -> bool:
    """An intent that wants a recording has no hold, and does not ask for the file at once
    (`finalize`). Only a schedule's intent may keep an earlier hold."""
    intent = record.intent
    return not intent.wanted or (
        (intent.held_until is None or intent.requester is Requester.SCHEDULE)
        and intent.held_session is None
        and intent.held_opening_before is None
        and not intent.finalize
    )


def unwanted_implies_nothing_accepted(record: StreamRecord) -> bool:
    """An intent that wants no recording has no end and no session, and no start of it was claimed
    or accepted."""
    intent = record.intent
    return intent.wanted or (
        intent.until is None
        and intent.first_accepted_at is None
        and intent.session is None
        and not intent.claimed
    )


def scheduled_implies_limit(record: StreamRecord) -> bool:
    """An intent of a schedule has an end and an occurrence, even before a start is accepted."""
    intent = record.intent
    if intent.requester is not Requester.SCHEDULE:
        return intent.overrun_at is None
    return intent.until is not None and bool(intent.occurrence)


def planned_is_in_order(record: StreamRecord) -> bool:
    """Planned occurrences are in order, each only once. None of them has begun."""
    times, ids = [one.begins_at for one in record.planned], [one.id for one in record.planned]
    all_ids = {*ids, *(one.id for one in record.begun)}
    return times == sorted(times) and len(all_ids) == len(ids) + len(record.begun)


def occurrences_are_bounded(record: StreamRecord) -> bool:
    """A record keeps at most a fixed number of planned and of missed occurrences."""
    missed = [one for one in record.begun if one.barred_by is Reason.SCHEDULE_MISSED]
    return len(record.planned) <= MAX_PLANNED_ENTRIES and len(missed) <= MAX_MISSED_ENTRIES


def accepted_implies_end(record: StreamRecord) -> bool:
    """Once a start was accepted, the intent has an end."""
    return record.intent.first_accepted_at is None or record.intent.until is not None


def accepted_implies_claimed(record: StreamRecord) -> bool:
    """Once a start was accepted, the intent counts as claimed, so that its end sends a stop."""
    return record.intent.first_accepted_at is None or record.intent.claimed


def belonging_implies_accepted(record: StreamRecord) -> bool:
    """An intent has a session only once a start of it was accepted."""
    return record.intent.session is None or record.intent.first_accepted_at is not None


def bound_intent_implies_session_goes_on(record: StreamRecord) -> bool:
    """No bound intent remains once its session has ended."""
    intent = record.intent
    resumes = intent.on_interruption is OnInterruption.RESUME
    return resumes or not intent.wanted or intent.session is None or not record.is_off


# --- commands ------------------------------------------------------------------------------------


def pending_is_of_this_intent(record: StreamRecord) -> bool:
    """A pending command belongs to the present intent."""
    return record.pending is None or record.pending.generation == record.intent.generation


def pending_start_implies_wanted(record: StreamRecord) -> bool:
    """A start is pending only if the intent wants a recording."""
    pending = record.pending
    return pending is None or pending.command is not Command.START or record.intent.wanted


def pending_stop_implies_unwanted(record: StreamRecord) -> bool:
    """A stop or cancel_delay is pending only if the intent wants no recording."""
    pending = record.pending
    return pending is None or pending.command not in ENDS or not record.intent.wanted


def pending_start_implies_not_ended(record: StreamRecord) -> bool:
    """No start is pending for a session that has ended, unless a person asked for it after that
    end."""
    pending, session = record.pending, record.session
    if pending is None or session is None or session.state is not SessionState.ENDED:
        return True
    is_asked = pending.reason in _START_ASKED and pending.since >= session.off_since
    return pending.command is not Command.START or is_asked


def own_restart_implies_accepted_here(record: StreamRecord) -> bool:
    """A restart that no person asked for is pending only if a recording is wanted, and a start of
    the present session was accepted or has failed."""
    pending = record.pending
    if pending is None or pending.command is not Command.RESTART:
        return True
    if pending.reason is not Reason.UNPROVED:
        return pending.reason is Reason.ASKED_RESTART
    return record.intent.wanted and (record.is_started or record.has_failed)


def over_quota_implies_start(record: StreamRecord) -> bool:
    """Only a start waits for room under a cap on concurrent recordings."""
    pending = record.pending
    return pending is None or not pending.over_quota or pending.command is Command.START


def unmanaged_implies_asked(record: StreamRecord) -> bool:
    """If nobody asked live-record to manage a stream, only commands that a person asked for are
    sent for it."""
    if record.intent.generation:
        return True
    pending, flight = record.pending, record.flight
    return (pending is None or pending.reason in _ASKED_OF_UNMANAGED) and (
        flight is None or flight.reason in _ASKED_OF_UNMANAGED
    )


def flight_serves_its_intent(record: StreamRecord) -> bool:
    """If a command of the present intent is in flight, it does what this intent wants."""
    flight, intent = record.flight, record.intent
    if flight is None or flight.generation != intent.generation:
        return True
    if flight.command is Command.START:
        return intent.wanted and intent.claimed
    return flight.command is Command.RESTART or not intent.wanted


def generations_are_not_ahead(record: StreamRecord) -> bool:
    """No command in flight or in doubt has a higher generation than the intent."""
    newest, flight = record.intent.generation, record.flight
    if flight is not None and flight.generation > newest:
        return False
    return not record.doubts or all(doubt.generation <= newest for doubt in record.doubts)


def sent_implies_ever_claimed(record: StreamRecord) -> bool:
    """If a command is in flight, in doubt or answered, the record shows that one was claimed."""
    return record.ever_claimed or (
        record.flight is None and not record.doubts and record.answer is None
    )


def doubted_restart_implies_doubt(record: StreamRecord) -> bool:
    """A restart's outcome counts as unknown only while a restart may still land."""
    return not record.restart_doubted or any(
        doubt.command is Command.RESTART for doubt in record.doubts
    )


def doubted_stop_implies_stopped(record: StreamRecord) -> bool:
    """`stopped_at` is not before the last moment at which a stop in doubt may land."""
    if not record.doubts:
        return True
    stopped_at = record.stopped_at or 0
    return all(
        doubt.until <= stopped_at for doubt in record.doubts if doubt.command is Command.STOP
    )


def doubts_are_bounded(record: StreamRecord) -> bool:
    """A record keeps at most a fixed number of commands in doubt."""
    return len(record.doubts) <= MAX_DOUBTS_ENTRIES


def to_be_forgotten_implies_at_rest(record: StreamRecord) -> bool:
    """Only a stream that is at rest has a time at which it is forgotten."""
    return record.forget_at is None or record.is_at_rest


def keys_are_bounded(record: StreamRecord) -> bool:
    """A record keeps at most a fixed number of Idempotency-Keys."""
    return len(record.asked) <= MAX_KEYS


# --- the session ---------------------------------------------------------------------------------


def session_numbers_are_not_ahead(record: StreamRecord) -> bool:
    """Nothing in the record refers to a session that has not opened yet."""
    newest, intent = record.session_number, record.intent
    confirmation, failure, flight = record.confirmation, record.failure, record.flight
    return (
        (intent.session or 0) <= newest
        and (intent.held_session or 0) <= newest
        and (record.policy_session or 0) <= newest
        and (confirmation is None or confirmation.session <= newest)
        and (failure is None or failure.session <= newest)
        and (flight is None or flight.session <= newest)
    )


def live_implies_no_poll_planned(record: StreamRecord) -> bool:
    """A live session has no `off_since`, no counted polls, and no StreamNotFound answer that a poll
    has to check."""
    session = record.session
    if session is None or session.state is not SessionState.LIVE:
        return True
    return not session.off_since and not session.polls and not session.start_not_found


def not_live_implies_interrupted(record: StreamRecord) -> bool:
    """A session that is ending or has ended has `off_since`, and its recording may be paused."""
    session = record.session
    if session is None or session.state is SessionState.LIVE:
        return True
    return session.off_since > 0 and record.interrupted_at is not None


def ended_implies_absent(record: StreamRecord) -> bool:
    """A session ends only after two polls that did not show the stream."""
    session = record.session
    is_ended = session is not None and session.state is SessionState.ENDED
    return session is None or not is_ended or session.absent_at is not None


# --- confirmation --------------------------------------------------------------------------------


def confirmation_implies_accepted(record: StreamRecord) -> bool:
    """There is a confirmation only if a recording is wanted and a start of the intent was
    accepted."""
    intent = record.intent
    return record.confirmation is None or (intent.wanted and intent.first_accepted_at is not None)


def failure_implies_wanted(record: StreamRecord) -> bool:
    """There is a failure only if a recording is wanted."""
    return record.failure is None or record.intent.wanted


def failure_excludes_confirmation(record: StreamRecord) -> bool:
    """No session has both a confirmation and a failure."""
    confirmation, failure = record.confirmation, record.failure
    return confirmation is None or failure is None or confirmation.session != failure.session


def check_fits_state(record: StreamRecord) -> bool:
    """A check is planned in each confirmation state that has a check, and in no other."""
    confirmation = record.confirmation
    return confirmation is None or confirmation.is_lasting == (confirmation.check_at is None)


def checked_stop_implies_unwanted(record: StreamRecord) -> bool:
    """An accepted stop is checked only while no recording is wanted and the session has not
    ended."""
    if record.stop_check is None or record.stop_check.check_at is None:
        return True
    return not (record.intent.wanted or record.is_off)


def wanted_and_live_implies_under_way(record: StreamRecord) -> bool:
    """If a stream is wanted and live, its start was accepted or has failed, or a command is pending
    or in flight."""
    return not record.lacks_start


def unproved_implies_check(record: StreamRecord) -> bool:
    """If Live answered a start with TaskAlreadyStarted, and perhaps held only a paused recording,
    a check or a command follows, unless Live has refused another start since."""
    confirmation, session, answer = record.confirmation, record.session, record.answer
    if confirmation is None or session is None or session.state is not SessionState.LIVE:
        return True
    if confirmation.source is not StartSource.ADOPTED or not record.is_started:
        return True
    is_unproved = confirmation.state is ConfirmationState.UNCONFIRMED
    under_way = record.pending is not None or record.flight is not None or record.restart_doubted
    is_refused = answer is not None and answer.reason is not Reason.ADOPTED
    return not is_unproved or under_way or is_refused


def denied_implies_under_way(record: StreamRecord) -> bool:
    """If a report or an interruption contradicts an accepted start, a check or a command follows,
    unless Live has refused another start since."""
    confirmation, denied_at, answer = record.confirmation, record.denied_at, record.answer
    if confirmation is None or denied_at is None or not record.is_live:
        return True
    under_way = record.pending is not None or record.flight is not None or bool(record.doubts)
    is_refused = answer is not None and answer.at >= denied_at
    return under_way or is_refused or not confirmation.is_lasting


def observing_implies_nothing_pending(record: StreamRecord) -> bool:
    """In a stage that observes, no command is pending."""
    return record.pending is None


ALWAYS: tuple[Invariant, ...] = (
    requester_fits_intent,
    wanted_implies_no_hold,
    unwanted_implies_nothing_accepted,
    scheduled_implies_limit,
    planned_is_in_order,
    occurrences_are_bounded,
    accepted_implies_end,
    accepted_implies_claimed,
    belonging_implies_accepted,
    bound_intent_implies_session_goes_on,
    pending_is_of_this_intent,
    pending_start_implies_wanted,
    pending_stop_implies_unwanted,
    pending_start_implies_not_ended,
    own_restart_implies_accepted_here,
    over_quota_implies_start,
    unmanaged_implies_asked,
    flight_serves_its_intent,
    generations_are_not_ahead,
    sent_implies_ever_claimed,
    doubted_restart_implies_doubt,
    doubted_stop_implies_stopped,
    doubts_are_bounded,
    keys_are_bounded,
    to_be_forgotten_implies_at_rest,
    session_numbers_are_not_ahead,
    live_implies_no_poll_planned,
    not_live_implies_interrupted,
    ended_implies_absent,
    confirmation_implies_accepted,
    failure_implies_wanted,
    failure_excludes_confirmation,
    check_fits_state,
    checked_stop_implies_unwanted,
)
WHILE_ACTING: tuple[Invariant, ...] = (
    wanted_and_live_implies_under_way,
    unproved_implies_check,
    denied_implies_under_way,
)
WHILE_OBSERVING: tuple[Invariant, ...] = (observing_implies_nothing_pending,)
_ACTING = (*ALWAYS, *WHILE_ACTING)
_OBSERVING = (*ALWAYS, *WHILE_OBSERVING)

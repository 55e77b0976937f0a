"""The invariants of a record: what is true after every decision, whatever happened to the stream.

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
    """Return the names of the invariants that do not hold; with `observe`, for a stage that only
    observes."""
    held = _OBSERVING if observe else _ACTING
    return tuple([invariant.__name__ for invariant in held if not invariant(record)])


# --- the intent ----------------------------------------------------------------------------------


def requester_fits_intent(record: StreamRecord) -> bool:
    """Before the first intent nobody wants anything; an intent of policy or of a schedule wants a
    recording, and an intent made by an end does not."""
    intent = record.intent
    if (intent.generation == 0) != (intent.requester is Requester.NOBODY):
        return False
    if intent.wanted:
        return intent.requester not in (Requester.NOBODY, Requester.END)
    return intent.requester not in (Requester.POLICY, Requester.SCHEDULE)


def wanted_implies_no_hold(record: StreamRecord) -> bool:
    """An intent that wants a recording has no finalize and no hold; but a schedule's intent may
    have an earlier hold that it did not end."""
    intent = record.intent
    return not intent.wanted or (
        (intent.held_until is None or intent.requester is Requester.SCHEDULE)
        and intent.held_session is None
        and intent.held_opening_before is None
        and not intent.finalize
    )


def unwanted_implies_nothing_accepted(record: StreamRecord) -> bool:
    """An intent that wants no recording has no end, belongs to no session and had no start."""
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
    """The occurrences to come are in order, each once, and none of them has begun."""
    times, ids = [one.begins_at for one in record.planned], [one.id for one in record.planned]
    all_ids = {*ids, *(one.id for one in record.begun)}
    return times == sorted(times) and len(all_ids) == len(ids) + len(record.begun)


def occurrences_are_bounded(record: StreamRecord) -> bool:
    """A record does not grow with every occurrence of its schedules."""
    missed = [one for one in record.begun if one.barred_by is Reason.SCHEDULE_MISSED]
    return len(record.planned) <= MAX_PLANNED_ENTRIES and len(missed) <= MAX_MISSED_ENTRIES


def accepted_implies_end(record: StreamRecord) -> bool:
    """Once a start was accepted, the intent has an end."""
    return record.intent.first_accepted_at is None or record.intent.until is not None


def accepted_implies_claimed(record: StreamRecord) -> bool:
    """Once a start was accepted, the end of the intent will send a stop."""
    return record.intent.first_accepted_at is None or record.intent.claimed


def belonging_implies_accepted(record: StreamRecord) -> bool:
    """An intent belongs to a session only once a start of it was accepted."""
    return record.intent.session is None or record.intent.first_accepted_at is not None


def bound_intent_implies_session_goes_on(record: StreamRecord) -> bool:
    """An intent that ends with its session does not outlive it."""
    intent = record.intent
    resumes = intent.on_interruption is OnInterruption.RESUME
    return resumes or not intent.wanted or intent.session is None or not record.is_off


# --- commands ------------------------------------------------------------------------------------


def pending_is_of_this_intent(record: StreamRecord) -> bool:
    """A pending command belongs to the present intent: a newer intent cancels it."""
    return record.pending is None or record.pending.generation == record.intent.generation


def pending_start_implies_wanted(record: StreamRecord) -> bool:
    """A start waits only for an intent that wants a recording."""
    pending = record.pending
    return pending is None or pending.command is not Command.START or record.intent.wanted


def pending_stop_implies_unwanted(record: StreamRecord) -> bool:
    """A stop or cancel_delay waits only for an intent that wants no recording."""
    pending = record.pending
    return pending is None or pending.command not in ENDS or not record.intent.wanted


def pending_start_implies_not_ended(record: StreamRecord) -> bool:
    """No start waits for a session that has ended, unless a person asked for it since."""
    pending, session = record.pending, record.session
    if pending is None or session is None or session.state is not SessionState.ENDED:
        return True
    is_asked = pending.reason in _START_ASKED and pending.since >= session.off_since
    return pending.command is not Command.START or is_asked


def own_restart_implies_accepted_here(record: StreamRecord) -> bool:
    """A restart of our own waits only in the session whose start it is to prove."""
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
    """A stream that nobody asked us to manage gets only the commands that a person asks for."""
    if record.intent.generation:
        return True
    pending, flight = record.pending, record.flight
    return (pending is None or pending.reason in _ASKED_OF_UNMANAGED) and (
        flight is None or flight.reason in _ASKED_OF_UNMANAGED
    )


def flight_serves_its_intent(record: StreamRecord) -> bool:
    """If a command of the present intent may be on the wire, it does what this intent wants."""
    flight, intent = record.flight, record.intent
    if flight is None or flight.generation != intent.generation:
        return True
    if flight.command is Command.START:
        return intent.wanted and intent.claimed
    return flight.command is Command.RESTART or not intent.wanted


def generations_are_not_ahead(record: StreamRecord) -> bool:
    """Nothing on the wire or in doubt belongs to an intent that is still to come."""
    newest, flight = record.intent.generation, record.flight
    if flight is not None and flight.generation > newest:
        return False
    return not record.doubts or all(doubt.generation <= newest for doubt in record.doubts)


def sent_implies_ever_claimed(record: StreamRecord) -> bool:
    """A record with a command on the wire, in doubt or answered remembers that one was claimed."""
    return record.ever_claimed or (
        record.flight is None and not record.doubts and record.answer is None
    )


def doubted_restart_implies_doubt(record: StreamRecord) -> bool:
    """A restart counts as unknown only while one may still land."""
    return not record.restart_doubted or any(
        doubt.command is Command.RESTART for doubt in record.doubts
    )


def doubted_stop_implies_stopped(record: StreamRecord) -> bool:
    """A stop in doubt counts as a stop until the moment it may land at the latest."""
    if not record.doubts:
        return True
    stopped_at = record.stopped_at or 0
    return all(
        doubt.until <= stopped_at for doubt in record.doubts if doubt.command is Command.STOP
    )


def doubts_are_bounded(record: StreamRecord) -> bool:
    """A record does not grow with every request that gets no answer."""
    return len(record.doubts) <= MAX_DOUBTS_ENTRIES


def to_be_forgotten_implies_at_rest(record: StreamRecord) -> bool:
    """Only a stream that is at rest has a time at which it is forgotten."""
    return record.forget_at is None or record.is_at_rest


def keys_are_bounded(record: StreamRecord) -> bool:
    """A record does not grow with every Idempotency-Key."""
    return len(record.asked) <= MAX_KEYS


# --- the session ---------------------------------------------------------------------------------


def session_numbers_are_not_ahead(record: StreamRecord) -> bool:
    """Nothing refers to a session that has not opened yet."""
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
    """A live session is not in question: it has no time of its end and no polls to come."""
    session = record.session
    if session is None or session.state is not SessionState.LIVE:
        return True
    return not session.off_since and not session.polls and not session.start_not_found


def not_live_implies_interrupted(record: StreamRecord) -> bool:
    """A session that is not live has `off_since` set, and its recording may be paused."""
    session = record.session
    if session is None or session.state is SessionState.LIVE:
        return True
    return session.off_since > 0 and record.interrupted_at is not None


def ended_implies_absent(record: StreamRecord) -> bool:
    """A session ends only after a poll that did not show it, and a second one."""
    session = record.session
    is_ended = session is not None and session.state is SessionState.ENDED
    return session is None or not is_ended or session.absent_at is not None


# --- confirmation --------------------------------------------------------------------------------


def confirmation_implies_accepted(record: StreamRecord) -> bool:
    """Only a wanted recording is confirmed, and only once a start of its intent was accepted."""
    intent = record.intent
    return record.confirmation is None or (intent.wanted and intent.first_accepted_at is not None)


def failure_implies_wanted(record: StreamRecord) -> bool:
    """Only a wanted recording can fail."""
    return record.failure is None or record.intent.wanted


def failure_excludes_confirmation(record: StreamRecord) -> bool:
    """No session is both recorded and failed."""
    confirmation, failure = record.confirmation, record.failure
    return confirmation is None or failure is None or confirmation.session != failure.session


def check_fits_state(record: StreamRecord) -> bool:
    """A check is planned in each state of the confirmation that has one, and in no other."""
    confirmation = record.confirmation
    return confirmation is None or confirmation.is_lasting == (confirmation.check_at is None)


def wanted_and_live_implies_under_way(record: StreamRecord) -> bool:
    """If a stream is wanted and live, it is started, has failed, or has a command waiting or on the
    wire."""
    return not record.lacks_start


def unproved_implies_check(record: StreamRecord) -> bool:
    """A start that may have found a paused recording is checked, or a command is sent for it, or
    Live has refused another start since."""
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
    """A stage that only observes has nothing waiting to be sent."""
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
)
WHILE_ACTING: tuple[Invariant, ...] = (
    wanted_and_live_implies_under_way,
    unproved_implies_check,
    denied_implies_under_way,
)
WHILE_OBSERVING: tuple[Invariant, ...] = (observing_implies_nothing_pending,)
_ACTING = (*ALWAYS, *WHILE_ACTING)
_OBSERVING = (*ALWAYS, *WHILE_OBSERVING)

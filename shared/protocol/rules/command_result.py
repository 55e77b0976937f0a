"""Changes a record by Live's answer to a command. docs/errors.md lists the answers and their
effects."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.command_errors import (
    SLOT_MISSED,
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    Retryable,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.protocol.derived.wrong import lost_by
from shared.protocol.events import Accepted, CommandSettled
from shared.protocol.reason import Reason
from shared.protocol.rules import command_retry, stop_check
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import IN_DOUBT_MS, MAX_DOUBTS_ENTRIES, Doubt, Flight
from shared.protocol.state.confirmation import STOPPED, LastReport, SessionFailure, StartSource
from shared.protocol.state.intent import IfNotLive, Requester
from shared.protocol.state.session import SessionState
from shared.protocol.stream import ENDS, Command

JUST_PUBLISHED_MS = 30_000
"""For this long after a publish, Live's recorder may not know the stream (docs/platform/live.md
§11, UNCONFIRMED)."""


def settle(transition: Transition, sent: CommandSettled) -> None:
    flight = transition.record.flight
    if flight is None or flight.id != sent.flight:
        transition.add_entry(Reason.LATE_ANSWER, answer=command_retry.live_code_of(sent.answer))
        return
    transition.change(flight=None)
    is_sent = not isinstance(sent.answer, NeverSent) or sent.answer.status > 0
    if is_sent and not command_retry.is_repeat(transition, flight, sent.answer):
        transition.add_entry(
            Reason.SENT,
            command=flight.command.value,
            reason=flight.reason.value,
            session=flight.session,
            who=flight.who,
        )
    if isinstance(sent.answer, InDoubt):
        doubt(transition, flight)
    ends = flight.command in ENDS
    if ends and isinstance(sent.answer, (Retryable, InDoubt, OperatorActionNeeded)):
        command_retry.retry(transition, flight, sent.answer, _code(sent.answer))
    else:
        _MEANING[flight.command](transition, _as_sent(flight, sent.sent_at), sent.answer)


def _as_sent(flight: Flight, sent_at: int | None) -> Flight:
    """Return the flight with the time at which its command left, if that was before its slot."""
    # sent_at ── Live carries it out and reports so ── flight.sent_at, the slot ── the answer
    return flight if sent_at is None else replace(flight, sent_at=min(flight.sent_at, sent_at))


def lapse(transition: Transition, flight: Flight) -> None:
    """Put a flight's command in doubt, because its lease has ended without a stored answer. The
    command may still take effect. If the intent still needs the command, enqueue it again, unless
    it is a restart."""
    transition.change(flight=None)
    transition.add_entry(Reason.ANSWER_LOST, command=flight.command.value)
    doubt(transition, flight)
    if flight.command is not Command.RESTART:
        command_retry.enqueue_retry(transition, flight, after=0)


def doubt(transition: Transition, flight: Flight) -> None:
    generation = flight.generation if flight.command is Command.RESTART else 0
    doubtful = Doubt(flight.command, flight.sent_at + IN_DOUBT_MS, generation)
    transition.change(doubts=_within_bounds((*transition.record.doubts, doubtful)))
    if flight.command is Command.RESTART:
        transition.change(restart_doubted=True)
    if flight.command is Command.STOP:
        latest = max(transition.record.stopped_at or 0, doubtful.until)
        transition.change(stopped_at=latest)  # the last moment at which the stop may land


def _within_bounds(doubts: tuple[Doubt, ...]) -> tuple[Doubt, ...]:
    """Return the doubts; if there is one too many, leave one out. That is the oldest one with a
    later doubt of the same command and intent: the later doubt still makes the wanted command be
    re-sent."""
    if len(doubts) <= MAX_DOUBTS_ENTRIES:
        return doubts
    kinds = [(doubt.command, doubt.generation) for doubt in doubts]
    excess = next((place for place, kind in enumerate(kinds) if kind in kinds[place + 1 :]), 0)
    return (*doubts[:excess], *doubts[excess + 1 :])


def _start(transition: Transition, flight: Flight, answer: Accepted | LiveError) -> None:
    if _opened_since(transition, flight) and isinstance(
        answer, (Accepted, AlreadyStarted, StreamNotLive)
    ):
        command_retry.remember_answer(transition, flight, answer, Reason.OLD_SESSION)
        if not isinstance(answer, StreamNotLive):
            intent_rules.count_acceptance(transition)
    elif isinstance(answer, Accepted):
        accept_start(transition, flight, answer, StartSource.ACCEPTED)
    elif isinstance(answer, AlreadyStarted):
        is_adopted = _may_be_paused(transition, flight)
        source = StartSource.ADOPTED if is_adopted else StartSource.ALREADY
        accept_start(transition, flight, answer, source)
    elif isinstance(answer, StreamNotLive):
        _not_live(transition, flight, answer)
    elif isinstance(answer, InvalidCommand) or (
        isinstance(answer, UnknownRejection)
        and transition.record.intent.requester is Requester.PERSON
    ):
        _failed(transition, flight, answer)
    else:
        command_retry.retry(transition, flight, answer, _code(answer))


def accept_start(
    transition: Transition, flight: Flight, answer: Accepted | LiveError, source: StartSource
) -> None:
    command_retry.remember_answer(transition, flight, answer, Reason(source.value))
    if transition.record.intent.wanted:
        _open_anew(transition, flight)
        _bind(transition)
    if transition.record.intent.wanted:
        is_reassertion = flight.reason in (Reason.REASSERT, Reason.REASSERT_EARLY)
        is_reassertion = is_reassertion and not transition.may_still_land(Command.RESTART)
        is_repeat = flight.command is Command.START and flight.reason is Reason.UNCONFIRMED
        confirmation_rules.begin(
            transition, source, flight.sent_at, anew=is_reassertion, is_repeat=is_repeat
        )
    if flight.command is Command.RESTART and flight.reason is Reason.UNPROVED:
        confirmation_rules.spend_repeat(transition)


def _open_anew(transition: Transition, flight: Flight) -> None:
    """Open a session if Live accepted a start that was sent after the session ended, or after Live
    did not know the stream. The stream is then back, though no callback or list has reported it
    yet."""
    session, unbound = transition.record.session, transition.record.intent.session is None
    if session is None:
        return
    ended = transition.record.is_off and flight.sent_at >= session.off_since
    if ended or (unbound and session.last_start_not_found):
        session_rules.open_undated(transition)


def _bind(transition: Transition) -> None:
    if transition.record.session is None:
        session_rules.open_undated(transition)
    transition.change_session(start_not_found=False, last_start_not_found=False)
    intent_rules.bind(transition)
    if transition.record.is_off:
        intent_rules.end_with_session(transition)


def _opened_since(transition: Transition, flight: Flight) -> bool:
    """Return True if a session has opened since the flight was claimed: the answer is about the
    earlier one."""
    return transition.record.intent.wanted and flight.session != transition.record.session_number


def _may_be_paused(transition: Transition, flight: Flight) -> bool:
    """Return True within the merge delay of a stop or interruption: TaskAlreadyStarted may then
    mean a paused task (docs/platform/live.md §6, UNCONFIRMED), unless Live began to record since.
    """
    since, confirmation = transition.record.paused_since, transition.record.confirmation
    if since <= 0 or (confirmation is not None and confirmation.is_sent_after(since)):
        return False
    return flight.sent_at - since < transition.settings.merge_delay


def _not_live(transition: Transition, flight: Flight, answer: LiveError) -> None:
    intent = transition.record.intent
    if intent.wanted and _has_just_come(transition):
        command_retry.retry(transition, flight, answer, Reason.NOT_LIVE_YET)
        return
    if intent.wanted and _is_contradicted(transition):
        after = command_retry.delay_after_contradiction(flight.attempts)
        command_retry.remember_answer(transition, flight, answer, Reason.LISTED_NOT_FOUND)
        command_retry.enqueue_retry(transition, flight, after=after)
        return
    command_retry.remember_answer(transition, flight, answer, Reason.NOT_FOUND)
    if intent.wanted and intent.if_not_live is IfNotLive.FAIL and intent.first_accepted_at is None:
        intent_rules.give_up(transition)
    if transition.record.intent.wanted:  # also if an occurrence took the intent over
        session_rules.mark_refused(transition)


def _is_contradicted(transition: Transition) -> bool:
    """Return True if Live answers StreamNotFound again, although the online list has shown the
    stream in between."""
    session = transition.record.session
    return session is not None and transition.record.is_live and session.last_start_not_found


def _was_just_interrupted(transition: Transition) -> bool:
    at = transition.record.last_interruption
    return at > 0 and transition.now - at < transition.settings.merge_delay


def _has_just_come(transition: Transition) -> bool:
    session = transition.record.session
    live = session is not None and session.state is SessionState.LIVE
    return session is not None and live and transition.now - session.opened_at < JUST_PUBLISHED_MS


def _failed(transition: Transition, flight: Flight, answer: LiveError) -> None:
    """Mark the session failed after a refused start. Do not mark it if Live accepted an earlier
    start of the session and nothing has contradicted that recording since. Do not mark it either if
    Live reports a recording and answers with an unknown code. If nothing has confirmed the
    recording yet, retry the start: Live may be recording, and only another answer shows it.
    """
    command_retry.remember_answer(transition, flight, answer, _code(answer))
    record = transition.record
    had_error = record.confirmation is not None and record.confirmation.denied > 0
    denied = had_error or record.denied_at is not None
    is_reported = record.is_reported and isinstance(answer, UnknownRejection)
    if record.intent.wanted and (denied or not (record.is_started or is_reported)):
        failure = SessionFailure(
            record.session_number,
            _code(answer),
            answer.code,
            transition.now,
            lost_since=lost_by(replace(record, flight=flight), transition.now),
        )
        transition.change(failure=failure, confirmation=None)
    elif record.intent.wanted and (record.awaits_proof or is_reported):
        after = command_retry.delay_after_refusal(flight.attempts)
        command_retry.enqueue_retry(transition, flight, after=after)


def _stop(transition: Transition, flight: Flight, answer: Accepted | LiveError) -> None:
    command_retry.remember_answer(transition, flight, answer, _over(answer))
    if isinstance(answer, InvalidCommand):
        return
    transition.change(stopped_at=max(transition.record.stopped_at or 0, transition.now))
    if transition.record.intent.wanted:
        return
    transition.change(last_report=LastReport(recording=False, what=STOPPED, at=transition.now))
    if isinstance(answer, Accepted):
        stop_check.accepted(transition)
    else:
        transition.change(stop_check=None)
    if isinstance(answer, StreamNotLive):
        _stop_missed(transition, flight)
    if transition.record.intent.finalize:
        transition.enqueue_if_idle(Command.CANCEL_DELAY, Reason.FINALIZE)


def _stop_missed(transition: Transition, flight: Flight) -> None:
    """Take the recording as ended after a stop that Live answered with StreamNotFound. Remember
    when, in case the stream comes back soon. If a session has opened since the stop was claimed,
    send the stop again. If the stream has just come back, retry the stop: Live's recorder may not
    know the stream yet, and may resume by itself."""
    if flight.session != transition.record.session_number and not transition.record.is_off:
        transition.enqueue_if_idle(Command.STOP, Reason.STREAM_RETURNED)
    elif _has_just_come(transition) and _was_just_interrupted(transition):
        command_retry.enqueue_retry(
            transition,
            flight,
            after=command_retry.delay_before_retry(StreamNotLive(), flight.attempts),
        )
    else:
        transition.change(stop_not_found_at=transition.now)


def _cancel_delay(transition: Transition, flight: Flight, answer: Accepted | LiveError) -> None:
    command_retry.remember_answer(transition, flight, answer, _over(answer))
    if not isinstance(answer, InvalidCommand):
        transition.change(stopped_at=transition.record.stop_lands_by)


def _restart(transition: Transition, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, Accepted):
        accept_start(transition, flight, answer, StartSource.ACCEPTED)
        return
    if isinstance(answer, (Retryable, OperatorActionNeeded)):
        command_retry.retry(transition, flight, answer, _code(answer))
        confirmation_rules.allow_repeat(transition)
        return
    command_retry.remember_answer(transition, flight, answer, _code(answer))
    if not isinstance(answer, InDoubt) and transition.record.intent.wanted:
        transition.enqueue_if_idle(Command.START, Reason.UNPROVED)


_MEANING = {
    Command.START: _start,
    Command.STOP: _stop,
    Command.RESTART: _restart,
    Command.CANCEL_DELAY: _cancel_delay,
}


def _over(answer: Accepted | LiveError) -> Reason:
    if isinstance(answer, Accepted):
        return Reason.ACCEPTED
    if isinstance(answer, StreamNotLive):
        return Reason.OVER
    return Reason.REJECTED if isinstance(answer, InvalidCommand) else Reason.OVER_UNPROVED


_CODES: tuple[tuple[type[LiveError], Reason], ...] = (
    (NoRecordConfig, Reason.NO_RECORD_CONFIG),
    (InvalidCommand, Reason.REJECTED),
    (StreamNotLive, Reason.NOT_FOUND),
    (AlreadyStarted, Reason.ALREADY),
    (Throttled, Reason.THROTTLED),
    (Unavailable, Reason.UNAVAILABLE),
    (NeverSent, Reason.NEVER_SENT),
    (Retryable, Reason.REFUSED_FOR_NOW),
    (InDoubt, Reason.IN_DOUBT),
    (LiveNotActivated, Reason.LIVE_NOT_ACTIVATED),
    (OperatorActionNeeded, Reason.OPERATOR_ACTION_NEEDED),
)


OUTCOMES: tuple[Reason, ...] = (
    *(Reason.ACCEPTED, *(code for _, code in _CODES), Reason.WRONG_DOMAIN, Reason.SLOT_MISSED),
    *(Reason.UNKNOWN_REJECTION, Reason.ANSWER_LOST),
)
"""Every outcome of a command: those that `outcome_of` returns, and the lost answer."""


def outcome_of(answer: Accepted | LiveError) -> Reason:
    """Return the code for the outcome of a command that got this answer."""
    return Reason.ACCEPTED if isinstance(answer, Accepted) else _code(answer)


def _code(answer: Accepted | LiveError) -> Reason:
    if isinstance(answer, LiveError) and answer.code == "InvalidDomain.NotFound":
        return Reason.WRONG_DOMAIN
    if isinstance(answer, NeverSent) and answer.status:  # it was answered, so it was sent
        return Reason.REFUSED_FOR_NOW
    if isinstance(answer, NeverSent) and answer.code == SLOT_MISSED:
        return Reason.SLOT_MISSED
    return next(
        (code for kind, code in _CODES if isinstance(answer, kind)), Reason.UNKNOWN_REJECTION
    )

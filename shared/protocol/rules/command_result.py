"""What an answer to a command means for the record: design.md section 5, row by row."""

from __future__ import annotations

from shared.protocol.command_errors import (
    Again,
    AlreadyStarted,
    InDoubt,
    LiveError,
    NoRecordConfig,
    NotLive,
    OursToMend,
    Refused,
    Rejected,
    Throttled,
    Unavailable,
)
from shared.protocol.events import Accepted, Sent
from shared.protocol.reason import Code
from shared.protocol.rules import command_retry
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Turn
from shared.protocol.state.command import DOUBT, Doubt, Flight
from shared.protocol.state.confirmation import STOPPED, Evidence, Failed, How
from shared.protocol.state.intent import By, IfNotLive
from shared.protocol.state.session import Standing
from shared.protocol.stream import Command
from shared.quick import replace

JUST_PUBLISHED = 30_000
"""How long a published stream may be unknown to the recorder (facts/live.md 11, UNCONFIRMED)."""


def settle(turn: Turn, sent: Sent) -> None:
    flight = turn.record.flight
    if flight is None or flight.id != sent.flight:
        turn.note(Code.LATE_ANSWER, answer=command_retry.live_code_of(sent.answer))
        return
    turn.change(flight=None)
    turn.note(
        Code.SENT,
        command=flight.command.value,
        why=flight.why.value,
        session=flight.session,
        who=turn.record.wish.who,
    )
    if isinstance(sent.answer, InDoubt):
        doubt(turn, flight)
    _MEANING[flight.command](turn, flight, sent.answer)


def lapse(turn: Turn, flight: Flight) -> None:
    """Nobody stored the answer before the lease ended: it is lost, the request perhaps is not."""
    turn.change(flight=None)
    turn.note(Code.ANSWER_LOST, command=flight.command.value)
    doubt(turn, flight)
    if flight.command is not Command.RESTART:
        command_retry.enqueue_retry(turn, flight, after=0)


def doubt(turn: Turn, flight: Flight) -> None:
    gen = flight.gen if flight.command is Command.RESTART else 0
    doubtful = Doubt(flight.command, flight.sent_at + DOUBT, gen)
    turn.change(doubts=(*turn.record.doubts, doubtful))
    if flight.command is Command.RESTART:
        turn.change(restart_doubted=True)
    if flight.command is Command.STOP:
        turn.change(stopped_at=doubtful.until)  # when it may have stopped at the latest


def _start(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if _opened_since(turn, flight) and isinstance(answer, (Accepted, AlreadyStarted, NotLive)):
        command_retry.remember_answer(turn, flight, answer, Code.OLD_SESSION)
        if not isinstance(answer, NotLive):
            confirmation_rules.count_acceptance(turn)
        turn.owe_unless_owed(Command.START, Code.OLD_SESSION)
    elif isinstance(answer, Accepted):
        confirmation_rules.accept_start(turn, flight, answer, How.ACCEPTED)
    elif isinstance(answer, AlreadyStarted):
        confirmation_rules.accept_start(
            turn, flight, answer, How.ADOPTED if _may_be_paused(turn, flight) else How.ALREADY
        )
    elif isinstance(answer, NotLive):
        _not_live(turn, flight, answer)
    elif isinstance(answer, Rejected) or (isinstance(answer, Refused) and _by_person(turn)):
        _failed(turn, flight, answer)
    else:
        command_retry.remember_answer(turn, flight, answer, _code(answer))
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(answer, flight.attempts)
        )


def _opened_since(turn: Turn, flight: Flight) -> bool:
    """The answer speaks of the session its flight was claimed in, not of one opened since."""
    return turn.record.wish.wanted and flight.session != turn.record.session_number


def _by_person(turn: Turn) -> bool:
    return turn.record.wish.by is By.PERSON


def _may_be_paused(turn: Turn, flight: Flight) -> bool:
    """TaskAlreadyStarted may mean a paused task within the merge delay of a stop or interruption
    (facts/live.md 6, UNCONFIRMED)."""
    since = turn.record.paused_since
    return since > 0 and flight.sent_at - since < turn.terms.merge_delay


def _not_live(turn: Turn, flight: Flight, answer: LiveError) -> None:
    wish = turn.record.wish
    if wish.wanted and _has_just_come(turn):
        command_retry.remember_answer(turn, flight, answer, Code.NOT_LIVE_YET)
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(answer, flight.attempts)
        )
        return
    command_retry.remember_answer(turn, flight, answer, Code.NOT_LIVE)
    if wish.wanted and wish.if_not_live is IfNotLive.FAIL and wish.first_accepted_at is None:
        intent_rules.give_up(turn)
    elif wish.wanted:
        session_rules.mark_refused(turn)


def _was_just_interrupted(turn: Turn) -> bool:
    at = turn.record.interrupted_at
    return at is not None and turn.now - at < turn.terms.merge_delay


def _has_just_come(turn: Turn) -> bool:
    session = turn.record.session
    live = session is not None and session.standing is Standing.LIVE
    return session is not None and live and turn.now - session.opened_at < JUST_PUBLISHED


def _failed(turn: Turn, flight: Flight, answer: LiveError) -> None:
    command_retry.remember_answer(turn, flight, answer, _code(answer))
    if turn.record.wish.wanted:
        number = turn.record.session_number
        turn.change(failed=Failed(number, _code(answer), answer.code, turn.now))


def _stop(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, (Again, InDoubt, OursToMend)):
        command_retry.remember_answer(turn, flight, answer, _code(answer))
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(answer, flight.attempts)
        )
        return
    command_retry.remember_answer(turn, flight, answer, _over(answer))
    if isinstance(answer, Rejected):
        return
    turn.change(stopped_at=max(turn.record.stopped_at or 0, turn.now))
    if turn.record.wish.wanted:
        return
    turn.change(evidence=Evidence(recording=False, what=STOPPED, at=turn.now))
    if isinstance(answer, NotLive):
        _stop_missed(turn, flight)
    if turn.record.wish.finalize:
        turn.owe_unless_owed(Command.CANCEL_DELAY, Code.FINALIZE)


def _stop_missed(turn: Turn, flight: Flight) -> None:
    """Over, unless the stream has come back since the stop was claimed, or does so soon; or has
    just come back, and the recorder, which may resume by itself, does not know it yet."""
    if flight.session != turn.record.session_number and not turn.record.is_off:
        turn.owe_unless_owed(Command.STOP, Code.STREAM_RETURNED)
    elif _has_just_come(turn) and _was_just_interrupted(turn):
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(NotLive(), flight.attempts)
        )
    else:
        turn.change(stop_missed_at=turn.now)


def _cancel_delay(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, (Again, InDoubt, OursToMend)):
        command_retry.remember_answer(turn, flight, answer, _code(answer))
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(answer, flight.attempts)
        )
        return
    command_retry.remember_answer(turn, flight, answer, _over(answer))
    if not isinstance(answer, Rejected):
        turn.change(stopped_at=_latest_doubtful_stop(turn))


def _latest_doubtful_stop(turn: Turn) -> int | None:
    """The merge delay is over, but for a stop that may still land."""
    stops = [doubt.until for doubt in turn.record.doubts if doubt.command is Command.STOP]
    return max(stops, default=None)


def _restart(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, Accepted):
        confirmation_rules.accept_start(turn, flight, answer, How.ACCEPTED)
        return
    command_retry.remember_answer(turn, flight, answer, _code(answer))
    if isinstance(answer, (Again, OursToMend)):
        command_retry.enqueue_retry(
            turn, flight, after=command_retry.delay_before_retry(answer, flight.attempts)
        )
        _prove_later(turn)
    elif not isinstance(answer, InDoubt) and turn.record.wish.wanted:
        turn.owe_unless_owed(Command.START, Code.UNPROVED)


def _prove_later(turn: Turn) -> None:
    """The restart that was to prove a start gave way to another start: that one is to be proved."""
    started, owed = turn.record.started, turn.record.owed
    if started and owed and owed.command is Command.START:
        turn.change(started=replace(started, repeated=False))


_MEANING = {
    Command.START: _start,
    Command.STOP: _stop,
    Command.RESTART: _restart,
    Command.CANCEL_DELAY: _cancel_delay,
}


def _over(answer: Accepted | LiveError) -> Code:
    if isinstance(answer, Accepted):
        return Code.ACCEPTED
    if isinstance(answer, NotLive):
        return Code.OVER
    return Code.REJECTED if isinstance(answer, Rejected) else Code.OVER_UNPROVED


_CODES: tuple[tuple[type[LiveError], Code], ...] = (
    (NoRecordConfig, Code.NO_RECORD_CONFIG),
    (Rejected, Code.REJECTED),
    (NotLive, Code.NOT_LIVE),
    (AlreadyStarted, Code.ALREADY),
    (Throttled, Code.THROTTLED),
    (Unavailable, Code.UNAVAILABLE),
    (Again, Code.NEVER_SENT),
    (InDoubt, Code.IN_DOUBT),
    (OursToMend, Code.OURS_TO_MEND),
)


def _code(answer: Accepted | LiveError) -> Code:
    if isinstance(answer, LiveError) and answer.code == "InvalidDomain.NotFound":
        return Code.WRONG_DOMAIN
    return next((code for kind, code in _CODES if isinstance(answer, kind)), Code.REFUSED)

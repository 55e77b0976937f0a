"""What an answer to a command means for the record: design.md section 5, row by row."""

from __future__ import annotations

from shared.domain import sessions, wishes
from shared.domain.because import Code
from shared.domain.happenings import Accepted, Sent
from shared.domain.record import (
    DOUBT,
    STOPPED,
    TOGETHER,
    Answer,
    By,
    Doubt,
    Evidence,
    Failed,
    Flight,
    How,
    IfNotLive,
    Standing,
    Started,
)
from shared.domain.stream import Command
from shared.domain.turn import Turn
from shared.errors import (
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
from shared.quick import replace

CONFIRM = 10_000
"""How long Live's silence about an accepted start is believed."""
JUST_PUBLISHED = 30_000
"""How long a published stream may be unknown to the recorder (facts/live.md 11, UNCONFIRMED)."""


def settle(turn: Turn, sent: Sent) -> None:
    flight = turn.record.flight
    if flight is None or flight.id != sent.flight:
        turn.note(Code.LATE_ANSWER, answer=_live_code(sent.answer))
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
        _again(turn, flight, after=0)


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
        _remember(turn, flight, answer, Code.OLD_SESSION)
        if not isinstance(answer, NotLive):
            _count(turn)
        turn.owe_unless_owed(Command.START, Code.OLD_SESSION)
    elif isinstance(answer, Accepted):
        _started(turn, flight, answer, How.ACCEPTED)
    elif isinstance(answer, AlreadyStarted):
        _started(turn, flight, answer, How.ADOPTED if _may_be_paused(turn, flight) else How.ALREADY)
    elif isinstance(answer, NotLive):
        _not_live(turn, flight, answer)
    elif isinstance(answer, Rejected) or (isinstance(answer, Refused) and _by_person(turn)):
        _failed(turn, flight, answer)
    else:
        _remember(turn, flight, answer, _code(answer))
        _again(turn, flight, after=_wait(answer, flight.attempts))


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


_STARTED = {How.ACCEPTED: Code.ACCEPTED, How.ALREADY: Code.ALREADY, How.ADOPTED: Code.ADOPTED}


def _started(turn: Turn, flight: Flight, answer: Accepted | LiveError, how: How) -> None:
    _remember(turn, flight, answer, _STARTED[how])
    if turn.record.wish.wanted:
        _open_anew(turn, flight)
        _bind(turn)
    if turn.record.wish.wanted:
        _prove(turn, flight, how)


def _prove(turn: Turn, flight: Flight, how: How) -> None:
    """What the yes is worth, and when silence about it must be doubted."""
    before = turn.record.started if turn.record.is_started else None
    echo = flight.why in (Code.ECHO, Code.EARLY_ECHO)  # what is in doubt is to be proved anew
    anew = echo and not turn.may_still_land(Command.RESTART)
    repeated = before is not None and before.repeated and not anew
    since = _speaks_of_it_since(turn, flight, how)
    started = Started(
        session=turn.record.session_number,
        at=turn.now,
        how=how,
        check_at=_check_at(turn, how, repeated=repeated),
        repeated=repeated,
        since=since,
    )
    turn.change(failed=None, started=started)
    evidence = turn.record.evidence
    heard = evidence is not None and evidence.recording and evidence.at >= flight.sent_at
    if evidence and heard and started.may_explain(evidence.time):
        turn.confirm(started, evidence.time)


def _speaks_of_it_since(turn: Turn, flight: Flight, how: How) -> int:
    """An accepted start is the beginning of what Live reports. Where it was one already, Live must
    say that it records since the latest pause; a doubtful stop has its own echo."""
    if how is How.ACCEPTED:
        return flight.sent_at - TOGETHER
    return min(turn.record.paused_since, flight.sent_at) + TOGETHER


def _open_anew(turn: Turn, flight: Flight) -> None:
    """Sent since the session ended, or since Live knew no such stream, and accepted: the stream is
    back, before anybody told of it."""
    session, unbound = turn.record.session, turn.record.wish.session is None
    if session is None:
        return
    ended = turn.record.is_off and flight.sent_at >= session.off_since
    if ended or (unbound and session.refused_last):
        sessions.open_undated(turn)


def _bind(turn: Turn) -> None:
    if turn.record.session is None:
        sessions.open_undated(turn)
    wish, number = turn.record.wish, turn.record.session_number
    turn.change_session(refused_start=False, refused_last=False)
    turn.change_wish(session=wish.session or number)
    _count(turn)
    if turn.record.is_off:
        wishes.end_with_session(turn)


def _count(turn: Turn) -> None:
    if turn.record.wish.first_accepted_at is None:
        wishes.count_from_first_start(turn, turn.now)


def _check_at(turn: Turn, how: How, *, repeated: bool) -> int | None:
    """What may not be restarted again is proved by a start once no pause can last."""
    if repeated:
        return turn.pause_over_at if how is How.ADOPTED else None
    unproved = how is How.ADOPTED or (how is How.ACCEPTED and turn.terms.status_known)
    return turn.now + CONFIRM if unproved else None


def _not_live(turn: Turn, flight: Flight, answer: LiveError) -> None:
    wish = turn.record.wish
    if wish.wanted and _has_just_come(turn):
        _remember(turn, flight, answer, Code.NOT_LIVE_YET)
        _again(turn, flight, after=_wait(answer, flight.attempts))
        return
    _remember(turn, flight, answer, Code.NOT_LIVE)
    if wish.wanted and wish.if_not_live is IfNotLive.FAIL and wish.first_accepted_at is None:
        wishes.give_up(turn)
    elif wish.wanted:
        sessions.mark_refused(turn)


def _was_just_interrupted(turn: Turn) -> bool:
    at = turn.record.interrupted_at
    return at is not None and turn.now - at < turn.terms.merge_delay


def _has_just_come(turn: Turn) -> bool:
    session = turn.record.session
    live = session is not None and session.standing is Standing.LIVE
    return session is not None and live and turn.now - session.opened_at < JUST_PUBLISHED


def _failed(turn: Turn, flight: Flight, answer: LiveError) -> None:
    _remember(turn, flight, answer, _code(answer))
    if turn.record.wish.wanted:
        number = turn.record.session_number
        turn.change(failed=Failed(number, _code(answer), answer.code, turn.now))


def _stop(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, (Again, InDoubt, OursToMend)):
        _remember(turn, flight, answer, _code(answer))
        _again(turn, flight, after=_wait(answer, flight.attempts))
        return
    _remember(turn, flight, answer, _over(answer))
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
        _again(turn, flight, after=_wait(NotLive(), flight.attempts))
    else:
        turn.change(stop_missed_at=turn.now)


def _cancel_delay(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, (Again, InDoubt, OursToMend)):
        _remember(turn, flight, answer, _code(answer))
        _again(turn, flight, after=_wait(answer, flight.attempts))
        return
    _remember(turn, flight, answer, _over(answer))
    if not isinstance(answer, Rejected):
        turn.change(stopped_at=_latest_doubtful_stop(turn))


def _latest_doubtful_stop(turn: Turn) -> int | None:
    """The merge delay is over, but for a stop that may still land."""
    stops = [doubt.until for doubt in turn.record.doubts if doubt.command is Command.STOP]
    return max(stops, default=None)


def _restart(turn: Turn, flight: Flight, answer: Accepted | LiveError) -> None:
    if isinstance(answer, Accepted):
        _started(turn, flight, answer, How.ACCEPTED)
        return
    _remember(turn, flight, answer, _code(answer))
    if isinstance(answer, (Again, OursToMend)):
        _again(turn, flight, after=_wait(answer, flight.attempts))
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


def _again(turn: Turn, flight: Flight, *, after: int) -> None:
    """Send it again if it is still what the wish needs and nothing newer is owed."""
    wish = turn.record.wish
    needed = {
        Command.START: wish.wanted,
        Command.STOP: not wish.wanted,
        Command.RESTART: flight.gen == wish.gen,
        Command.CANCEL_DELAY: flight.gen == wish.gen and not wish.wanted,
    }
    if turn.record.owed is None and needed[flight.command]:
        attempts, since = flight.attempts + 1, flight.since
        turn.owe(flight.command, flight.why, after=after, attempts=attempts, since=since)


def _wait(answer: Accepted | LiveError, attempts: int) -> int:
    """How long before the next attempt, in ms."""
    if isinstance(answer, OursToMend):
        return int(min(15_000 * 2**attempts, 300_000))
    if isinstance(answer, Refused):
        return 60_000
    backoff = int(min(500 * 2 ** min(attempts, 10), 30_000))
    if isinstance(answer, NotLive):
        return int(min(2 * backoff, 8_000))
    return max(answer.retry_after, backoff) if isinstance(answer, Throttled) else backoff


def _remember(turn: Turn, flight: Flight, answer: Accepted | LiveError, why: Code) -> None:
    code, request_id = _live_code(answer), answer.request_id
    turn.change(answer=Answer(flight.command, why, code, request_id, turn.now))
    turn.note(why, command=flight.command.value, code=code, request_id=request_id)


def _live_code(answer: Accepted | LiveError) -> str:
    return answer.code if isinstance(answer, LiveError) else "OK"


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

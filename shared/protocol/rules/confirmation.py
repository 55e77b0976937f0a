"""What an accepted start is worth, and when silence about it must be doubted."""

from __future__ import annotations

from shared.protocol.command_errors import LiveError
from shared.protocol.events import Accepted
from shared.protocol.reason import Code
from shared.protocol.rules import command_retry
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Turn
from shared.protocol.state.command import Flight
from shared.protocol.state.confirmation import How, Started
from shared.protocol.state.session import TOGETHER
from shared.protocol.stream import Command

CONFIRM = 10_000
"""How long Live's silence about an accepted start is believed."""


_STARTED = {How.ACCEPTED: Code.ACCEPTED, How.ALREADY: Code.ALREADY, How.ADOPTED: Code.ADOPTED}


def accept_start(turn: Turn, flight: Flight, answer: Accepted | LiveError, how: How) -> None:
    command_retry.remember_answer(turn, flight, answer, _STARTED[how])
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
        session_rules.open_undated(turn)


def _bind(turn: Turn) -> None:
    if turn.record.session is None:
        session_rules.open_undated(turn)
    wish, number = turn.record.wish, turn.record.session_number
    turn.change_session(refused_start=False, refused_last=False)
    turn.change_wish(session=wish.session or number)
    count_acceptance(turn)
    if turn.record.is_off:
        intent_rules.end_with_session(turn)


def count_acceptance(turn: Turn) -> None:
    if turn.record.wish.first_accepted_at is None:
        intent_rules.count_from_first_start(turn, turn.now)


def _check_at(turn: Turn, how: How, *, repeated: bool) -> int | None:
    """What may not be restarted again is proved by a start once no pause can last."""
    if repeated:
        return turn.pause_over_at if how is How.ADOPTED else None
    unproved = how is How.ADOPTED or (how is How.ACCEPTED and turn.terms.status_known)
    return turn.now + CONFIRM if unproved else None

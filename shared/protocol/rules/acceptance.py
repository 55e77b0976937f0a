"""What an accepted start means for the session and the intent.

The rules of command results use it. How sure it is that Live records is in confirmation.py.
"""

from __future__ import annotations

from shared.protocol.command_errors import LiveError
from shared.protocol.events import Accepted
from shared.protocol.reason import Reason
from shared.protocol.rules import command_retry
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import Flight
from shared.protocol.state.confirmation import StartSource
from shared.protocol.stream import Command


def accept_start(
    transition: Transition, flight: Flight, answer: Accepted | LiveError, source: StartSource
) -> None:
    command_retry.remember_answer(transition, flight, answer, Reason(source.value))
    if transition.record.intent.wanted:
        _open_anew(transition, flight)
        _bind(transition)
    if transition.record.intent.wanted:
        is_reassertion = flight.reason in (Reason.REASSERT, Reason.REASSERT_EARLY)
        anew = is_reassertion and not transition.may_still_land(Command.RESTART)
        confirmation_rules.begin(transition, source, flight.sent_at, anew=anew)


def _open_anew(transition: Transition, flight: Flight) -> None:
    """Open a session if the accepted start was sent since the session ended, or since Live knew no
    such stream: the stream is back, and no callback or list has reported it yet."""
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

"""What an accepted start proves, and when Live's silence about it must be checked."""

from __future__ import annotations

from shared.protocol.command_errors import LiveError
from shared.protocol.events import Accepted
from shared.protocol.reason import Reason
from shared.protocol.rules import command_retry
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import Flight
from shared.protocol.state.confirmation import Confirmation, StartSource
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import Command

CONFIRM_MS = 10_000
"""How long an accepted start may go without a report, where reports are known to come, or where the
start may have found a paused recording."""


_STARTED = {
    StartSource.ACCEPTED: Reason.ACCEPTED,
    StartSource.ALREADY: Reason.ALREADY,
    StartSource.ADOPTED: Reason.ADOPTED,
}


def accept_start(
    transition: Transition, flight: Flight, answer: Accepted | LiveError, source: StartSource
) -> None:
    command_retry.remember_answer(transition, flight, answer, _STARTED[source])
    if transition.record.intent.wanted:
        _open_anew(transition, flight)
        _bind(transition)
    if transition.record.intent.wanted:
        _prove(transition, flight, source)


def _prove(transition: Transition, flight: Flight, source: StartSource) -> None:
    """Store what the accepted start proves, and when silence about it must be checked."""
    before = transition.record.confirmation if transition.record.is_started else None
    echo = flight.reason in (
        Reason.REASSERT,
        Reason.REASSERT_EARLY,
    )  # what is in doubt is proved anew
    anew = echo and not transition.may_still_land(Command.RESTART)
    repeated = before is not None and before.repeated and not anew
    since = _speaks_of_it_since(transition, flight, source)
    confirmation = Confirmation(
        session=transition.record.session_number,
        at=transition.now,
        source=source,
        check_at=_check_at(transition, source, repeated=repeated),
        repeated=repeated,
        since=since,
    )
    transition.change(failure=None, confirmation=confirmation)
    last_report = transition.record.last_report
    heard = last_report is not None and last_report.recording and last_report.at >= flight.sent_at
    if last_report and heard and confirmation.may_explain(last_report.time):
        transition.confirm(confirmation, last_report.time)


def _speaks_of_it_since(transition: Transition, flight: Flight, source: StartSource) -> int:
    """Return since when, by Live's clock, a report is about this start: since its slot if Live
    accepted it, since the latest pause if Live was recording already. A stop in doubt, whose pause
    may lie ahead, is reasserted on its own."""
    if source is StartSource.ACCEPTED:
        return flight.sent_at - TOGETHER_MS
    return min(transition.record.paused_since, flight.sent_at) + TOGETHER_MS


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
    intent, number = transition.record.intent, transition.record.session_number
    transition.change_session(start_not_found=False, last_start_not_found=False)
    transition.change_intent(session=intent.session or number)
    count_acceptance(transition)
    if transition.record.is_off:
        intent_rules.end_with_session(transition)


def count_acceptance(transition: Transition) -> None:
    if transition.record.intent.first_accepted_at is None:
        intent_rules.count_from_first_start(transition, transition.now)


def _check_at(transition: Transition, source: StartSource, *, repeated: bool) -> int | None:
    """Return when to check the start; None for never. A session that may not be restarted again is
    checked by a start once no pause can last."""
    if repeated:
        return transition.pause_over_at if source is StartSource.ADOPTED else None
    unproved = source is StartSource.ADOPTED or (
        source is StartSource.ACCEPTED and transition.settings.status_known
    )
    return transition.now + CONFIRM_MS if unproved else None

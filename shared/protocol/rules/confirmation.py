"""The states of a confirmation, and what leads from one to the next.

An accepted start (command_result.py) or a yes on demand (on_demand.py) begins one; reports and time
move it on. It knows nothing of how its commands are sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import Confirmation, StartSource
from shared.protocol.state.confirmation import ConfirmationState as State
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import Command

CONFIRM_MS = 10_000
"""How long Live may be silent about a start that it accepted, where reports are known to come or
the start may have found a paused recording, or about a session that it was to record on demand."""
CONFIRM_AGAIN_MS = 60_000
"""A start that Live accepted is not repeated sooner, confirmed or not."""


class Check(Struct, frozen=True):
    """What is done at `check_at`: `command` goes out, or Live is polled (None); `follows` is next.
    `after` counts in ms from the start; None is when no pause can last any more."""

    after: int | None
    command: Command | None
    reason: Reason
    follows: State


CHECKS: Mapping[State, Check] = {
    State.AWAITING_REPORT: Check(CONFIRM_MS, None, Reason.UNCONFIRMED, State.POLLED),
    State.POLLED: Check(CONFIRM_AGAIN_MS, Command.START, Reason.UNCONFIRMED, State.UNCONFIRMED),
    State.APPROVED: Check(CONFIRM_MS, Command.START, Reason.UNCONFIRMED, State.UNCONFIRMED),
    State.MAY_BE_PAUSED: Check(CONFIRM_MS, Command.RESTART, Reason.UNPROVED, State.UNCONFIRMED),
    State.WAITING_OUT_PAUSE: Check(None, Command.START, Reason.UNPROVED, State.UNCONFIRMED),
    State.CONFIRMED_UNDATED: Check(None, Command.START, Reason.UNPROVED, State.CONFIRMED),
}
"""A state that is not here lasts until something is reported or a start is accepted."""
_REPEATS = (State.POLLED, State.MAY_BE_PAUSED)
"""Their checks repeat what Live accepted: at most one for a session."""


def begin(transition: Transition, source: StartSource, sent_at: int, *, anew: bool = False) -> None:
    """Take the session as started by what was sent at `sent_at`; a report since then confirms it.
    `anew`: what an earlier start of the session has spent does not count."""
    record = transition.record
    before = record.confirmation if record.is_started else None
    confirmation = Confirmation(
        record.session_number,
        transition.now,
        source,
        repeated=before is not None and before.repeated and not anew,
        since=_about_it_since(transition, source, sent_at),
    )
    transition.change(failure=None)
    _enter(transition, confirmation, _first_state(transition, confirmation))
    report = record.last_report
    if report and report.recording and report.at >= sent_at:
        confirm(transition, report.time)


def _first_state(transition: Transition, confirmation: Confirmation) -> State:
    source, is_spent = confirmation.source, confirmation.repeated
    if source is StartSource.ON_DEMAND:
        return State.APPROVED
    if source is StartSource.ADOPTED:
        return State.WAITING_OUT_PAUSE if is_spent else State.MAY_BE_PAUSED
    is_reported = source is StartSource.ACCEPTED and transition.settings.status_known
    return State.AWAITING_REPORT if is_reported and not is_spent else State.UNCONFIRMED


def _about_it_since(transition: Transition, source: StartSource, sent_at: int) -> int:
    """Return since when, by Live's clock, a report is about this start: since its slot if Live
    accepted it, since the latest pause if Live was recording already. A stop in doubt, whose pause
    may lie ahead, is reasserted on its own."""
    if source in (StartSource.ACCEPTED, StartSource.ON_DEMAND):
        return sent_at - TOGETHER_MS
    return min(transition.record.paused_since, sent_at) + TOGETHER_MS


def _enter(transition: Transition, confirmation: Confirmation, state: State) -> None:
    check_at = None
    if check := CHECKS.get(state):
        pause_over_at = transition.record.paused_since + transition.settings.merge_delay
        check_at = pause_over_at if check.after is None else confirmation.at + check.after
    entered = replace(confirmation, state=state, check_at=check_at)
    transition.change(confirmation=replace(entered, confirmed=entered.is_confirmed))


def confirm(transition: Transition, time: int | None) -> bool:
    """Take a report of `time` that Live records; return False if it is of before this start.

    Without a time, a late report of before a pause reads the same: one start shows, once no pause
    can last."""
    confirmation = transition.record.confirmation if transition.record.is_started else None
    if confirmation is None:
        return True
    if not confirmation.may_explain(time):
        return False
    if confirmation.source is StartSource.ADOPTED and time is None:
        spent = replace(confirmation, repeated=True)
        _enter(transition, spent, State.CONFIRMED_UNDATED)
    else:
        _enter(transition, confirmation, State.CONFIRMED)
    return True


def check(transition: Transition, *, may_query_online: bool) -> None:
    """Check the confirmation if that is due; leave it due if it takes a poll that may not be made.
    Of a stream that is off, silence means nothing."""
    confirmation = transition.record.confirmation
    at = confirmation.check_at if confirmation else None
    if confirmation is None or at is None or transition.now < at:
        return
    due = CHECKS[confirmation.state]
    if not transition.record.is_started or transition.record.is_off:
        lasting = State.CONFIRMED if confirmation.is_confirmed else State.UNCONFIRMED
        _enter(transition, confirmation, lasting)
        return
    if due.command is None and not may_query_online:
        return
    repeated = confirmation.repeated or confirmation.state in _REPEATS
    _enter(transition, replace(confirmation, repeated=repeated), due.follows)
    if due.command is None:
        transition.query_online = True
    elif due.command is Command.START or not transition.may_still_land(Command.RESTART):
        transition.enqueue(due.command, due.reason)  # else it heals when the restart's doubt ends


def allow_repeat(transition: Transition) -> None:
    """Let the pending start be checked: it replaced the restart that was to check the last one."""
    confirmation, pending = transition.record.confirmation, transition.record.pending
    if confirmation and pending and pending.command is Command.START:
        transition.change(confirmation=replace(confirmation, repeated=False))

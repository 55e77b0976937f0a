"""Live's question, as a stream begins, whether to record it (OnDemand 1): the answer, and what it
proves. A yes counts as a start of ours unless it stays unconfirmed."""

from __future__ import annotations

from shared.protocol.events import OnDemandAnswered
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import Confirmation, StartSource
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, SessionState
from shared.protocol.stream import Command

FRESH_MS = 60_000
"""How long an on-demand answer counts for the session that opens next."""
CONFIRM_APPROVAL_MS = 10_000
"""How long Live may be silent about a session that it should record before a start is sent."""


def is_asked(record: StreamRecord, now: int) -> bool | None:
    """Return True if the intent wants the publish that begins now recorded, False if a hold or an
    end forbids it, None if policy decides."""
    intent = record.intent
    if intent.wanted:
        ends = intent.on_interruption is not OnInterruption.RESUME and intent.session is not None
        return None if ends and not _is_open(record, now) else True
    if _is_open(record, now):
        ended = record.policy_session == record.session_number
        return False if ended or record.held_at(now) else None
    held = (intent.held_until, intent.held_opening_before)
    return False if any(until is not None and now < until for until in held) else None


def _is_open(record: StreamRecord, now: int) -> bool:
    """Return True if the publish has been reported already: Live asks late, or again."""
    session = record.session
    live = session is not None and session.state is SessionState.LIVE
    return session is not None and live and now - session.opened_at < FRESH_MS


def answered(transition: Transition, event: OnDemandAnswered) -> None:
    if transition.settings.observe:
        transition.add_entry(
            Reason.OBSERVED, command=f"NeedRecord {str(event.need_record).lower()}"
        )
        return
    transition.add_entry(Reason.ON_DEMAND if event.need_record else Reason.ON_DEMAND_DECLINED)
    transition.change(approved_on_demand_at=transition.now if event.need_record else None)
    if event.need_record and transition.record.intent.wanted:
        transition.change_intent(claimed=True)  # so that its end sends a stop


def opened(transition: Transition) -> None:
    """Take the session that opens as started if the answer for it was yes; drop its start."""
    approved_at, pending = transition.record.approved_on_demand_at, transition.record.pending
    transition.change(approved_on_demand_at=None)
    if (
        approved_at is None
        or transition.now - approved_at > FRESH_MS
        or transition.record.flight is not None
    ):
        return
    if pending is not None and pending.command is Command.START:
        transition.change(pending=None)
        _take_as_started(transition, approved_at)


def _take_as_started(transition: Transition, approved_at: int) -> None:
    last_report, number = transition.record.last_report, transition.record.session_number
    confirmed = last_report is not None and last_report.recording and last_report.at >= approved_at
    check_at = None if confirmed else transition.now + CONFIRM_APPROVAL_MS
    since = approved_at - TOGETHER_MS
    confirmation = Confirmation(
        number, transition.now, StartSource.ON_DEMAND, confirmed, check_at, since=since
    )
    transition.change(confirmation=confirmation)
    transition.change_intent(session=transition.record.intent.session or number, claimed=True)
    if transition.record.intent.first_accepted_at is None:
        intent_rules.count_from_first_start(transition, transition.now)

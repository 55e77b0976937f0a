"""Live's question, as a stream begins, whether to record it (OnDemand 1): the answer, and what it
proves. A yes counts as a start of ours unless it stays unconfirmed."""

from __future__ import annotations

from shared.protocol.events import OnDemandAnswered
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import StartSource
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState

FRESH_MS = 60_000
"""How long an on-demand answer counts for the session that opens next."""


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
    """Take the session that opens as started if the answer for it was yes: it needs no start."""
    record, approved_at = transition.record, transition.record.approved_on_demand_at
    transition.change(approved_on_demand_at=None)
    is_fresh = approved_at is not None and transition.now - approved_at <= FRESH_MS
    if approved_at is not None and is_fresh and record.flight is None and record.lacks_start:
        intent_rules.bind(transition)
        confirmation_rules.begin(transition, StartSource.ON_DEMAND, approved_at)

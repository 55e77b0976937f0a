"""Live asks, as a stream begins, whether to record it (OnDemand 1): what it is told, and what the
telling is worth. A yes is as good as a start of ours until it stays unconfirmed."""

from __future__ import annotations

from shared.protocol.events import OnDemandAnswered
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Code
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.transition import Turn
from shared.protocol.state.confirmation import How, Started
from shared.protocol.state.recording import Recording
from shared.protocol.state.session import TOGETHER, Standing
from shared.protocol.stream import Command

FRESH = 60_000
"""How long an answer is taken for one about the session that opens next."""
CONFIRM = 10_000
"""How long Live's silence about a session that it was told to record is believed."""


def is_asked(record: Recording, now: int) -> bool | None:
    """What a wish says of the publish that begins now; None where it is left to policy."""
    wish = record.wish
    if wish.wanted:
        ends = wish.on_interruption is not OnInterruption.RESUME and wish.session is not None
        return None if ends and not _is_open(record, now) else True
    if _is_open(record, now):
        ended = record.policy_session == record.session_number
        return False if ended or record.held_at(now) else None
    held = (wish.held_until, wish.held_opening_before)
    return False if any(until is not None and now < until for until in held) else None


def _is_open(record: Recording, now: int) -> bool:
    """The publish has been told of already: Live asks late, or again."""
    session = record.session
    live = session is not None and session.standing is Standing.LIVE
    return session is not None and live and now - session.opened_at < FRESH


def answered(turn: Turn, happening: OnDemandAnswered) -> None:
    if turn.terms.observe:
        turn.note(Code.OBSERVED, command=f"NeedRecord {str(happening.need_record).lower()}")
        return
    turn.note(Code.ON_DEMAND if happening.need_record else Code.ON_DEMAND_DECLINED)
    turn.change(told_to_record_at=turn.now if happening.need_record else None)
    if happening.need_record and turn.record.wish.wanted:
        turn.change_wish(claimed=True)  # so that its end sends a stop


def opened(turn: Turn) -> None:
    """The session that opens was answered for: the start that it would be sent can wait."""
    told, owed = turn.record.told_to_record_at, turn.record.owed
    turn.change(told_to_record_at=None)
    if told is None or turn.now - told > FRESH or turn.record.flight is not None:
        return
    if owed is not None and owed.command is Command.START:
        turn.change(owed=None)
        _take_as_started(turn, told)


def _take_as_started(turn: Turn, told: int) -> None:
    evidence, number = turn.record.evidence, turn.record.session_number
    confirmed = evidence is not None and evidence.recording and evidence.at >= told
    check_at = None if confirmed else turn.now + CONFIRM
    since = told - TOGETHER
    started = Started(number, turn.now, How.ON_DEMAND, confirmed, check_at, since=since)
    turn.change(started=started)
    turn.change_wish(session=turn.record.wish.session or number, claimed=True)
    if turn.record.wish.first_accepted_at is None:
        intent_rules.count_from_first_start(turn, turn.now)

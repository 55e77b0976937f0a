"""Answers Live's question whether to record a stream that begins (OnDemand 1).

The function on_demand uses this module. The question is no event and changes no record, because
anybody may send one.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.protocol.policy import OnInterruption
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState

FRESH_MS = 60_000
"""Live may ask late, or again, whether to record. For this long after a session opened, the
question may be about that session."""


def is_asked(record: StreamRecord, now: int, by_patterns: Iterable[Occurrence] = ()) -> bool | None:
    """Return whether to record the publish about which Live asks: True if the intent or an
    occurrence wants it recorded; False if a hold forbids it, or policy's intent has ended in this
    session; None if policy decides. `by_patterns` are the occurrences of schedules with a pattern
    that fits the stream."""
    intent = record.intent
    if intent.wanted:
        ends = intent.on_interruption is not OnInterruption.RESUME and intent.session is not None
        return None if ends and not _is_open(record, now) else True
    if _is_open(record, now):
        ended = record.policy_session == record.session_number
        return False if ended or record.held_at(now) else None
    held = (intent.held_until, intent.held_opening_before)
    if any(until is not None and now < until for until in held):
        return False
    known = {one.id for one in record.begun}
    new = (one for one in by_patterns if one.id not in known and not one.is_over)
    return True if any(one.begins_at <= now < one.ends_at for one in new) else None


def _is_open(record: StreamRecord, now: int) -> bool:
    """Return True if the publish was reported less than FRESH_MS ago: Live asks late, or asks
    again."""
    session = record.session
    live = session is not None and session.state is SessionState.LIVE
    return session is not None and live and now - session.opened_at < FRESH_MS

"""The same Idempotency-Key again changes nothing."""

from __future__ import annotations

from shared.protocol.events import HOUR, Happening
from shared.protocol.reason import Code
from shared.protocol.rules.transition import Turn
from shared.protocol.state.intent import Once
from shared.quick import replace

ONCE = 24 * HOUR
"""How long an Idempotency-Key is remembered,"""
KEYS = 100
"""unless so many newer ones were used: a record does not grow without end."""


def is_repeated_request(turn: Turn, happening: Happening) -> bool:
    """The same key again changes nothing; a new one is remembered with what it asked."""
    once = getattr(happening, "once", None)
    if not isinstance(once, Once):
        return False
    kept = tuple(ask for ask in turn.record.asked if turn.now - ask.at < ONCE)
    before = next((ask for ask in kept if ask.key == once.key), None)
    if before is None:
        turn.change(asked=(*kept, replace(once, at=turn.now))[-KEYS:])
        return False
    turn.refused = None if before.digest == once.digest else Code.KEY_REUSED
    turn.note(Code.ASKED_BEFORE if turn.refused is None else Code.KEY_REUSED)
    return True

"""Recognizes requests that repeat an Idempotency-Key; they change nothing."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.events import HOUR_MS, Event
from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.intent import MAX_KEYS, IdempotencyKey

KEY_AGE_MS = 24 * HOUR_MS
"""How long an Idempotency-Key is remembered, unless MAX_KEYS newer ones replace it."""


def unexpired(keys: tuple[IdempotencyKey, ...], now: int) -> tuple[IdempotencyKey, ...]:
    """Return the keys that are still remembered at `now`: those not older than KEY_AGE_MS."""
    return tuple(key for key in keys if now - key.at < KEY_AGE_MS)


def is_repeated_request(transition: Transition, event: Event) -> bool:
    """Return True if the request's Idempotency-Key was used before: the request must change
    nothing. Refuse the request if it had another body then. Remember a key that is new."""
    idempotency_key = getattr(event, "idempotency_key", None)
    if not isinstance(idempotency_key, IdempotencyKey):
        return False
    kept = unexpired(transition.record.asked, transition.now)
    before = next((ask for ask in kept if _is_same(ask, idempotency_key)), None)
    if before is None:
        transition.change(asked=(*kept, replace(idempotency_key, at=transition.now))[-MAX_KEYS:])
        return False
    transition.refused = None if before.digest == idempotency_key.digest else Reason.KEY_REUSED
    transition.add_entry(Reason.ASKED_BEFORE if transition.refused is None else Reason.KEY_REUSED)
    return True


def _is_same(kept: IdempotencyKey, sent: IdempotencyKey) -> bool:
    """Return True for a key used with the same token. A key that an older release stored matches
    any token."""
    return kept.key == sent.key and kept.who in ("", sent.who)

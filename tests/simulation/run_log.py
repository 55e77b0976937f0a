"""Writes what happened as lines that a person can follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import fields

from shared.protocol import Asked, StreamRecord
from shared.protocol.state.session import Session

Line = tuple[int, str, str]
"""When (ms since the beginning), who, and what."""


def ask_text(ask: Asked) -> str:
    """Return an ask as text: StartAsked(who="ann", until=5) is "start until=5"."""
    name = type(ask).__name__.removesuffix("Asked").lower()
    said = [
        f"{one.name}={_plain(getattr(ask, one.name))}"
        for one in fields(ask)
        if one.name not in ("who", "idempotency_key")
        and getattr(ask, one.name) not in (None, one.default)
    ]
    return " ".join((name, *said))


def _plain(value: object) -> object:
    return getattr(value, "value", value)


def difference(before: StreamRecord, after: StreamRecord) -> Iterator[str]:
    if after.intent.generation != before.intent.generation:
        wanted = "wanted" if after.intent.wanted else "not wanted"
        yield f"intent {after.intent.generation}: {wanted}, because {after.intent.reason.value}"
    if _standing(after.session) != _standing(before.session):
        yield f"session {_standing(after.session)}"
    if after.pending and after.pending != before.pending:
        yield f"pending: {after.pending.command.value}, because {after.pending.reason.value}"
    if before.flight and (after.flight is None or after.flight.id != before.flight.id):
        yield f"{before.flight.command.value} ({before.flight.id}) is settled"
    if after.flight and (before.flight is None or after.flight.id != before.flight.id):
        flight = after.flight
        yield f"claims {flight.command.value} ({flight.id}), because {flight.reason.value}"
    if after.doubts != before.doubts:
        yield f"in doubt: {', '.join(doubt.command.value for doubt in after.doubts) or 'nothing'}"
    if after.confirmation and after.confirmation != before.confirmation:
        confirmed = "confirmed" if after.confirmation.is_confirmed else "unconfirmed"
        yield f"started: {after.confirmation.source.value}, {confirmed}"


def _standing(session: Session | None) -> str:
    return f"{session.number} {session.state.value}" if session else "-"


def written(story: Sequence[Line]) -> Iterator[str]:
    for at, who, what in story:
        yield f"{at / 1000:9.3f}  {who:18} {what}"

"""Records as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain import Recording, Terms, phase
from shared.domain.because import Note
from shared.domain.explain import explain
from shared.domain.record import Session, Wish
from shared.domain.storing import Entry
from shared.domain.texts import Language, text
from shared.domain.times import rfc3339


def because(note: Note, language: Language) -> dict[str, str]:
    return {"code": note.code.value, "text": text(note, language)}


def standing(record: Recording, now: int, terms: Terms, language: Language) -> dict[str, Any]:
    """Where a stream stands: what every answer about it has in common."""
    confirmed = record.started is not None and record.is_started and record.started.confirmed
    return {
        "stream": str(record.key),
        "wanted": record.wish.wanted,
        "phase": phase(record).value,
        "confirmed": confirmed,
        "until": _time(record.wish.until),
        "because": because(explain(record, now, terms), language),
    }


def whole(record: Recording, now: int, terms: Terms, language: Language) -> dict[str, Any]:
    return {
        **standing(record, now, terms, language),
        "wish": _wish(record.wish),
        "session": _session(record.session),
        "seen": record.session is not None,
        "held": record.held_at(now),
        "command": record.flight.command.value if record.flight else None,
        "owed": record.owed.command.value if record.owed else None,
        "last_answer": _answer(record),
        "evidence": _evidence(record),
        "changed_at": _time(record.changed_at or None),
    }


def _wish(wish: Wish) -> dict[str, Any]:
    return {
        "gen": wish.gen,
        "by": wish.by.value,
        "who": wish.who,
        "reason": wish.reason,
        "why": wish.why.value,
        "on_interruption": wish.on_interruption.value,
        "made_at": _time(wish.made_at or None),
        "first_accepted_at": _time(wish.first_accepted_at),
        "held_until": _time(wish.held_until),
    }


def _session(session: Session | None) -> Mapping[str, Any] | None:
    if session is None:
        return None
    return {
        "number": session.number,
        "standing": session.standing.value,
        "time": _time(session.time),
        "publish_time": _time(session.publish_time),
    }


def _answer(record: Recording) -> Mapping[str, Any] | None:
    if record.answer is None:
        return None
    return {
        "command": record.answer.command.value,
        "code": record.answer.code,
        "because": record.answer.why.value,
        "request_id": record.answer.request_id,
        "at": _time(record.answer.at),
    }


def _evidence(record: Recording) -> Mapping[str, Any] | None:
    if record.evidence is None:
        return None
    return {"what": record.evidence.what, "at": _time(record.evidence.at)}


def entry(line: Entry, language: Language) -> dict[str, Any]:
    return {
        "at": rfc3339(line.at),
        "last_at": rfc3339(line.last_at),
        "count": line.count,
        **because(line.note, language),
        "about": dict(line.note.about),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)

"""Records as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from functions.file_view import is_object, shown
from shared.protocol import Recording, Terms, phase
from shared.protocol.derived.explain import explain
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.reason import Note
from shared.protocol.state.intent import Wish
from shared.protocol.state.session import Session
from shared.protocol.texts import Language, text
from shared.store.contract import Entry

Json = dict[str, Any]


def because(note: Note, language: Language) -> dict[str, str]:
    return {"code": note.code.value, "text": text(note, language)}


def is_confirmed(record: Recording) -> bool:
    return record.started is not None and record.is_started and record.started.confirmed


def standing(record: Recording, now: int, terms: Terms, language: Language) -> Json:
    """Where a stream stands: what every answer about it has in common."""
    return {
        "stream": str(record.key),
        "wanted": record.wish.wanted,
        "phase": phase(record).value,
        "confirmed": is_confirmed(record),
        "until": time(record.wish.until),
        "seen": record.session is not None,
        "because": because(explain(record, now, terms), language),
    }


def whole(record: Recording, now: int, terms: Terms, language: Language) -> Json:
    return {
        **standing(record, now, terms, language),
        "wish": wish(record.wish),
        "session": _session(record.session),
        "held": record.held_at(now),
        "flight": _flight(record),
        "owed": _owed(record),
        "last_answer": _answer(record, language),
        "evidence": _evidence(record),
        "changed_at": time(record.changed_at or None),
    }


def wish(wish: Wish) -> Json:
    return {
        "gen": wish.gen,
        "by": wish.by.value,
        "who": wish.who,
        "reason": wish.reason,
        "why": wish.why.value,
        "on_interruption": wish.on_interruption.value,
        "made_at": time(wish.made_at or None),
        "first_accepted_at": time(wish.first_accepted_at),
        "held_until": time(wish.held_until),
    }


def _session(session: Session | None) -> Json | None:
    if session is None:
        return None
    return {
        "number": session.number,
        "standing": session.standing.value,
        "time": time(session.time),
        "publish_time": time(session.publish_time),
    }


def _flight(record: Recording) -> Json | None:
    """The command that may be on the wire now."""
    flight = record.flight
    if flight is None:
        return None
    return {"command": flight.command.value, "sent_at": time(flight.sent_at)}


def _owed(record: Recording) -> Json | None:
    """The command that goes out next."""
    owed = record.owed
    if owed is None:
        return None
    return {
        "command": owed.command.value,
        "since": time(owed.since),
        "not_before": time(owed.not_before),
        "attempts": owed.attempts,
    }


def _answer(record: Recording, language: Language) -> Json | None:
    answer = record.answer
    if answer is None:
        return None
    why = Note(answer.why, {"command": answer.command.value, "code": answer.code})
    return {
        "command": answer.command.value,
        "code": answer.code,
        "because": because(why, language),
        "request_id": answer.request_id or None,
        "at": time(answer.at),
    }


def _evidence(record: Recording) -> Mapping[str, Any] | None:
    if record.evidence is None:
        return None
    evidence = record.evidence
    return {"recording": evidence.recording, "what": evidence.what, "at": time(evidence.at)}


def entry(line: Entry, language: Language) -> Json:
    return {
        "at": rfc3339(line.at),
        "last_at": rfc3339(line.last_at),
        "count": line.count,
        **because(line.note, language),
        "about": dict(line.note.about),
    }


def file(left: File, files_url: str) -> Json:
    """With its address, where the stage says where the bucket is read; VOD has none there."""
    is_there = bool(files_url) and is_object(left)
    url = f"{files_url.rstrip('/')}/{quote(left.uri)}" if is_there else None
    return {**shown(left), "url": url}


def time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)

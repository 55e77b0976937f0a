"""Records as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from functions.file_view import is_object, shown
from shared.inbound.catalogue import Language, text
from shared.protocol import StreamRecord, StreamSettings, phase
from shared.protocol.derived.explain import explain
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.intent import Intent
from shared.protocol.state.session import Session
from shared.store.contract import HistoryLine

Json = dict[str, Any]


def reason(note: HistoryEntry, language: Language) -> dict[str, str]:
    return {"code": note.code.value, "text": text(note, language)}


def is_confirmed(record: StreamRecord) -> bool:
    return record.confirmation is not None and record.is_started and record.confirmation.confirmed


def standing(
    record: StreamRecord, now: int, stream_settings: StreamSettings, language: Language
) -> Json:
    """Where a stream stands: what every answer about it has in common."""
    return {
        "stream": str(record.key),
        "wanted": record.intent.wanted,
        "phase": phase(record).value,
        "confirmed": is_confirmed(record),
        "until": time(record.intent.until),
        "ever_live": record.session is not None,
        "reason": reason(explain(record, now, stream_settings), language),
    }


def whole(
    record: StreamRecord, now: int, stream_settings: StreamSettings, language: Language
) -> Json:
    return {
        **standing(record, now, stream_settings, language),
        "intent": intent(record.intent),
        "session": _session(record.session),
        "held": record.held_at(now),
        "flight": _flight(record),
        "pending": _pending(record),
        "last_answer": _answer(record, language),
        "last_report": _last_report(record),
        "changed_at": time(record.changed_at or None),
    }


def intent(intent: Intent) -> Json:
    return {
        "generation": intent.generation,
        "requester": intent.requester.value,
        "who": intent.who,
        "note": intent.note,
        "reason": intent.reason.value,
        "on_interruption": intent.on_interruption.value,
        "made_at": time(intent.made_at or None),
        "first_accepted_at": time(intent.first_accepted_at),
        "held_until": time(intent.held_until),
    }


def _session(session: Session | None) -> Json | None:
    if session is None:
        return None
    return {
        "number": session.number,
        "state": session.state.value,
        "time": time(session.time),
        "publish_time": time(session.publish_time),
    }


def _flight(record: StreamRecord) -> Json | None:
    """The command that may be on the wire now."""
    flight = record.flight
    if flight is None:
        return None
    return {"command": flight.command.value, "sent_at": time(flight.sent_at)}


def _pending(record: StreamRecord) -> Json | None:
    """The command that goes out next."""
    pending = record.pending
    if pending is None:
        return None
    return {
        "command": pending.command.value,
        "since": time(pending.since),
        "not_before": time(pending.not_before),
        "attempts": pending.attempts,
    }


def _answer(record: StreamRecord, language: Language) -> Json | None:
    answer = record.answer
    if answer is None:
        return None
    why = HistoryEntry(answer.reason, {"command": answer.command.value, "code": answer.code})
    return {
        "command": answer.command.value,
        "code": answer.code,
        "reason": reason(why, language),
        "request_id": answer.request_id or None,
        "at": time(answer.at),
    }


def _last_report(record: StreamRecord) -> Mapping[str, Any] | None:
    if record.last_report is None:
        return None
    last_report = record.last_report
    return {
        "recording": last_report.recording,
        "what": last_report.what,
        "at": time(last_report.at),
    }


def entry(line: HistoryLine, language: Language) -> Json:
    return {
        "at": rfc3339(line.at),
        "last_at": rfc3339(line.last_at),
        "count": line.count,
        **reason(line.entry, language),
        "about": dict(line.entry.about),
    }


def file(left: File, files_url: str) -> Json:
    """With its address, where the stage says where the bucket is read; VOD has none there."""
    is_there = bool(files_url) and is_object(left)
    url = f"{files_url.rstrip('/')}/{quote(left.uri)}" if is_there else None
    return {**shown(left), "url": url}


def time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)

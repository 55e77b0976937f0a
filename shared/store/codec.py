"""Converts records and history to JSON and back.

Both engines use this module. It reads what a later release wrote, as far as it knows the fields:
unknown ones are ignored, missing ones take their defaults. A record with a higher format number is
refused.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.decoding import Undecodable, decode
from shared.ledger.edges import Edge, EdgeKind
from shared.protocol.file import FileVerdict
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.confirmation import with_state
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store.store_errors import Unreadable

FORMAT_NUMBER = 1


class _Document(Struct, frozen=True):
    format: int
    record: StreamRecord


class _Format(Struct, frozen=True):
    format: int = 0


def to_json(record: StreamRecord) -> str:
    """Return the record as JSON. Fields at their defaults are left out, and so is the version,
    which the store keeps separately."""
    return msgspec.json.encode(_Document(FORMAT_NUMBER, record)).decode()


def from_json(key: StreamKey, text: str, *, version: int = 0, now: int = 0) -> StreamRecord:
    """Parse the record of the stream `key`. Raise Unreadable, with `version` and `now`, if the text
    is no record, is that of another stream, has the format of a later release, or holds a state
    that this release does not know."""
    try:
        document = decode(text, _Document)
    except Undecodable as error:
        reason = _newer(_format_of(text)) or str(error)
        raise Unreadable(key, reason, version=version, now=now) from error
    fault = _newer(document.format) or ("" if document.record.key == key else _OF_ANOTHER)
    if fault:
        raise Unreadable(key, fault, version=version, now=now)
    confirmation = document.record.confirmation
    return replace(document.record, confirmation=confirmation and with_state(confirmation))


_OF_ANOTHER = "it is the record of another stream"


def _newer(number: int) -> str:
    return f"format {number} is of a later release" if number > FORMAT_NUMBER else ""


def _format_of(text: str) -> int:
    """Return the format number of a document that cannot be decoded; 0 if it has none."""
    try:
        return decode(text, _Format).format
    except Undecodable:
        return 0


def entry_to_json(entry: HistoryEntry) -> str:
    return msgspec.json.encode(entry.about, order="deterministic").decode()


def entry_from_json(code: str, about: str) -> HistoryEntry:
    """Return the entry with the reason `code` and the details `about`, which are JSON. If the
    details cannot be read, leave them out."""
    try:
        return HistoryEntry(Reason(code), decode(about, dict[str, str | int]))
    except Undecodable:
        return HistoryEntry(Reason(code))


def edge_to_text(edge: Edge) -> str:
    """Return an edge (one entry of a stream's ledger) as text: "kind at", then reason and code if
    there are any."""
    return " ".join((edge.kind, str(edge.at), edge.reason or "", edge.code)).rstrip()


_KINDS = {kind.value: kind for kind in EdgeKind}


def edge_from_text(text: str) -> Edge | None:
    """Parse an edge of a ledger from the text of `edge_to_text`. Return None if this release does
    not know the edge's kind."""
    kind, at, *reason = text.split(" ")
    if kind not in _KINDS:
        return None
    code = reason[1] if len(reason) > 1 else ""
    return Edge(_KINDS[kind], int(at), Reason(reason[0]) if reason else None, code)


def verdict_to_text(verdict: FileVerdict) -> str:
    return msgspec.json.encode(verdict).decode()


def verdict_from_text(text: str | None) -> FileVerdict | None:
    """Parse a verdict. Return None if the text is None or empty, or if this release cannot read
    it."""
    try:
        return decode(text, FileVerdict) if text else None
    except Undecodable:
        return None

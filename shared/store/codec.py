"""Records and history as JSON and back.

Both engines use it. It reads what a later release wrote as far as this one knows it: unknown fields
are ignored, missing ones take their defaults, and a greater format is refused.
"""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.confirmation import with_state
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store.store_errors import NewerFormat

FORMAT_NUMBER = 1


class _Document(Struct, frozen=True):
    format: int
    record: StreamRecord


class _Format(Struct, frozen=True):
    format: int = 0


def to_json(record: StreamRecord) -> str:
    """Return the record without the version, which the store keeps separately. Fields at their
    defaults are left out, which are most fields of most records."""
    return msgspec.json.encode(_Document(FORMAT_NUMBER, record)).decode()


def from_json(key: StreamKey, text: str) -> StreamRecord:
    """Return the record. Raise NewerFormat where a later release wrote it in another format, and
    msgspec.ValidationError where it holds a state that this release does not know."""
    try:
        document: _Document = _documents().decode(text)
    except msgspec.ValidationError as error:
        _refuse_newer(key, text, error)
        raise
    _refuse_newer(key, text, None, document.format)
    confirmation = document.record.confirmation
    return replace(document.record, confirmation=confirmation and with_state(confirmation))


def _refuse_newer(
    key: StreamKey, text: str, error: Exception | None, number: int | None = None
) -> None:
    written = msgspec.json.decode(text, type=_Format).format if number is None else number
    if written > FORMAT_NUMBER:
        raise NewerFormat(f"{key}: format {written} is of a later release") from error


@cache
def _documents() -> msgspec.json.Decoder[_Document]:
    return msgspec.json.Decoder(_Document)


def entry_to_json(entry: HistoryEntry) -> str:
    return msgspec.json.encode(entry.about, order="deterministic").decode()


def entry_from_json(code: str, about: str) -> HistoryEntry:
    return HistoryEntry(Reason(code), msgspec.json.decode(about))

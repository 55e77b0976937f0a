"""Records as JSON and back, driven by the dataclasses themselves.

Unknown fields are passed over and missing ones take their defaults, so that a release and the one
before it read each other's records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey

FORMAT_NUMBER = 1


def to_json(record: StreamRecord) -> str:
    """Without the key and the version, which the store keeps beside it."""
    document = _plain(record)
    del document["key"]
    return json.dumps({"format": FORMAT_NUMBER, **document}, separators=(",", ":"))


def from_json(key: StreamKey, text: str) -> StreamRecord:
    document = json.loads(text)
    document["key"] = {"domain": key.domain, "app": key.app, "stream": key.stream}
    record = _reader(StreamRecord)(document)
    assert isinstance(record, StreamRecord)  # noqa: S101 - for the type checker
    return record


def entry_to_json(entry: HistoryEntry) -> str:
    return json.dumps(dict(entry.about), separators=(",", ":"), sort_keys=True)


def entry_from_json(code: str, about: str) -> HistoryEntry:
    """A code that a later release noted keeps its name among the particulars."""
    known = _code(code)
    particulars = json.loads(about)
    return HistoryEntry(
        known, particulars if known is not Reason.UNKNOWN else {**particulars, "code": code}
    )


def _code(value: str) -> Reason:
    try:
        return Reason(value)
    except ValueError:
        return Reason.UNKNOWN


def _plain(value: Any) -> Any:  # noqa: ANN401 - any part of a record
    """Defaults are left out: most fields of most records are at theirs."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if issubclass(kind, Enum):
        return value.value
    if issubclass(kind, tuple):
        return [_plain(part) for part in value]
    document = {}
    for name, default in _defaults(kind):
        part = getattr(value, name)
        if part is not default and part != default:
            document[name] = part if type(part) in _AS_THEY_ARE else _plain(part)
    return document


_AS_THEY_ARE = frozenset((str, int, float, bool, NoneType))


@cache
def _defaults(kind: type) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in fields(kind))


Reader = Callable[[Any], Any]


@cache
def _reader(hint: Any) -> Reader:  # noqa: ANN401 - a type hint
    """How a value of this type is made from its JSON."""
    if is_dataclass(hint):
        return _dataclass_reader(hint)
    if get_origin(hint) in (Union, UnionType):
        inner = next(part for part in get_args(hint) if part is not NoneType)
        return _optional(_reader(inner))
    if get_origin(hint) is tuple:
        item = _reader(get_args(hint)[0])
        return lambda value: tuple(item(part) for part in value)
    if hint is Reason:
        return _code
    return hint if isinstance(hint, type) and issubclass(hint, Enum) else lambda value: value


def _optional(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


def _dataclass_reader(kind: Any) -> Reader:  # noqa: ANN401 - a dataclass
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}

    def read(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a `kind`
        known = {name: readers[name](value) for name, value in document.items() if name in readers}
        return kind(**known)

    return read

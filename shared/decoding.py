"""Decodes JSON into types of live-record, in any number of threads at once.

At the first use of a Struct, msgspec 0.22 works out its fields, and lets other threads use an
unfinished result. In the first run of a new instance, two workers that decoded at the same moment
ended its process. Here only one thread at a time works out a type.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec
from msgspec.json import Decoder  # noqa: TID251 - used here alone

T = TypeVar("T")
_decoders: dict[object, Decoder[Any]] = {}
_one_at_a_time = Lock()


def decode(text: str | bytes, kind: type[T]) -> T:
    """Return the JSON document as `kind`. Raise msgspec.MsgspecError or ValueError if the document
    is no `kind`."""
    found: T = _decoder(kind).decode(text)
    return found


def convert(value: object, kind: type[T]) -> T:
    """Return decoded JSON as `kind`. Raise msgspec.ValidationError if the value is no `kind`."""
    _decoder(kind)
    return msgspec.convert(value, kind)  # noqa: TID251 - the decoder has worked out the type


def _decoder(kind: Any) -> Decoder[Any]:  # noqa: ANN401 - whatever msgspec takes as a type
    if kind not in _decoders:
        with _one_at_a_time:
            _decoders[kind] = Decoder(kind)
    return _decoders[kind]

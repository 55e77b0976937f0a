"""Decodes JSON into types of live-record, in any number of threads at once.

msgspec 0.22 works out at its first use of a Struct what the fields are, and lets every other thread
use what it has worked out so far. In the first run of a new instance, two workers that decoded at
the same moment ended its process. Here only one thread at a time works out a type.
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
    """Return what the JSON says, as `kind`. Raise msgspec.MsgspecError or ValueError if it is not
    such a document."""
    found: T = _decoder(kind).decode(text)
    return found


def convert(value: object, kind: type[T]) -> T:
    """Return decoded JSON as `kind`. Raise msgspec.ValidationError if it is not such a value."""
    _decoder(kind)
    return msgspec.convert(value, kind)  # noqa: TID251 - the decoder has worked out the type


def _decoder(kind: Any) -> Decoder[Any]:  # noqa: ANN401 - whatever msgspec takes as a type
    if kind not in _decoders:
        with _one_at_a_time:
            _decoders[kind] = Decoder(kind)
    return _decoders[kind]

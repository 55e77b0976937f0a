"""Decodes JSON into types of live-record, in any number of threads at once.

At the first use of a Struct, msgspec 0.22 works out its fields, and lets other threads use the
unfinished result. This crashed a process, when two threads of a new instance decoded at the same
moment. So this module lets only one thread at a time work out a type.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec
from msgspec.json import Decoder  # noqa: TID251 - used here alone

T = TypeVar("T")
_decoders: dict[object, Decoder[Any]] = {}
_one_at_a_time = Lock()


class Undecodable(ValueError):
    """The document is no JSON, is nested too deeply, or does not fit the type; the message says
    which."""


def decode(text: str | bytes, kind: type[T]) -> T:
    """Parse a JSON document into a value of the type `kind`. Raise Undecodable, and no other error,
    if that fails."""
    decoder = _decoder(kind)
    try:
        found: T = decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(str(error)) from error
    return found


def convert(value: object, kind: type[T]) -> T:
    """Convert decoded JSON (dicts, lists and plain values) into a value of the type `kind`. Raise
    Undecodable if it does not fit the type."""
    _decoder(kind)
    try:
        return msgspec.convert(value, kind)  # noqa: TID251 - the decoder has worked out the type
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(str(error)) from error


def _decoder(kind: Any) -> Decoder[Any]:  # noqa: ANN401 - whatever msgspec takes as a type
    if kind not in _decoders:
        with _one_at_a_time:
            _decoders[kind] = Decoder(kind)
    return _decoders[kind]

"""Cursors: where a page ended, as opaque text.

The routes with pages write and read them. What a cursor says is each route's own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shared.inbound.request_fields import Field

NO_CURSOR = 'write the "next" of the page before'
Place = TypeVar("Place")


def cursor_of(place: Sequence[object]) -> str:
    """Return the text for a place, which JSON can hold."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place_of(cursor: object, parse: Callable[[Any], Place]) -> Place:
    """Return what `parse` makes of the place that the text says. Raise ValueError for a text that
    no page has given, also where `parse` raises what a place of another shape leads to."""
    try:
        return parse(json.loads(base64.urlsafe_b64decode(str(cursor).encode("ascii"))))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise ValueError(NO_CURSOR) from None


def cursor_field(parse: Callable[[object], object], example: str) -> Field:
    """Return the query's field for a cursor."""
    says = 'where to continue: "next" of the previous page'
    return Field("cursor", parse, {"type": "string"}, says, example)

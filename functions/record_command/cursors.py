"""Cursors: opaque text that marks where a page ended.

The paginated routes write and read them. Each route decides what its cursor contains.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shared.inbound.request_fields import Field

NO_CURSOR = "write the `next` of the previous page"
Place = TypeVar("Place")


def cursor_of(place: Sequence[object]) -> str:
    """Return the cursor for a place in a list. The place is a few values that JSON can hold."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place_of(cursor: object, parse: Callable[[Any], Place]) -> Place:
    """Return the place in the cursor, converted by `parse`. If the text is no cursor of ours, or if
    `parse` cannot convert the place, raise ValueError."""
    try:
        return parse(json.loads(base64.urlsafe_b64decode(str(cursor).encode("ascii"))))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise ValueError(NO_CURSOR) from None


def cursor_field(parse: Callable[[object], object], example: str) -> Field:
    """Return the query field for a cursor."""
    says = "where to continue: `next` of the previous page"
    return Field("cursor", parse, {"type": "string"}, says, example)

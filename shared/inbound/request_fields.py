"""What a request may carry: one declaration that checks it and describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from shared.errors import Fault
from shared.inbound.request_errors import BadRequest
from shared.protocol.durations import duration, instant

Schema = Mapping[str, Any]


class Field(Struct, frozen=True):
    """`read` turns the sent value into ours; its ValueError says what to write instead."""

    name: str
    read: Callable[[Any], Any]
    schema: Schema
    doc: str
    example: str | int | bool | Mapping[str, Any]

    def described(self) -> dict[str, Any]:
        return {**self.schema, "description": self.doc, "examples": [self.example]}


def text(name: str, doc: str, *, example: str, longest: int = 200) -> Field:
    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest or not _storable(value):
            raise ValueError(f"write a text of at most {longest} characters")
        return value

    return Field(name, read, {"type": "string", "maxLength": longest}, doc, example)


def _storable(value: str) -> bool:
    """Printable, and no lone surrogates, which no store and no log would take."""
    return all(character.isprintable() for character in value)


def choice(name: str, kind: Callable[[str], Any], values: Sequence[str], doc: str) -> Field:
    def read(value: object) -> object:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"write one of {', '.join(values)}")
        return kind(value)

    return Field(name, read, {"type": "string", "enum": list(values)}, doc, values[0])


def flag(name: str, doc: str) -> Field:
    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("write true or false")  # noqa: TRY004 - one way to say all faults
        return value

    return Field(name, read, {"type": "boolean"}, doc, example=True)


_WRITTEN = r"^(?:[0-9]{1,9}|(?:[0-9]{1,9}d)?(?:[0-9]{1,9}h)?(?:[0-9]{1,9}m)?(?:[0-9]{1,9}s)?)$"
DURATION: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 315_360_000},
        {"type": "string", "minLength": 1, "pattern": _WRITTEN},
    ]
}


def span(name: str, doc: str, *, example: str) -> Field:
    """In ms once read."""
    return Field(name, duration, DURATION, doc, example)


def moment(name: str, doc: str) -> Field:
    """In ms since the epoch once read."""
    schema = {"type": "string", "format": "date-time"}
    return Field(name, instant, schema, doc, "2026-11-22T20:00:00Z")


def whole(name: str, doc: str, *, least: int, most: int, example: int) -> Field:
    """Of a query, so it comes as text."""

    def read(value: object) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdecimal():
            raise ValueError(f"write a whole number from {least} to {most}")
        if not least <= int(value[:9]) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(value)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Field(name, read, schema, doc, example)


DEFAULT_ROWS, MAX_ROWS = 100, 1000
LIMIT = whole("limit", "how many at the most", least=1, most=MAX_ROWS, example=DEFAULT_ROWS)


def key(name: str, doc: str, *, example: str, longest: int = 200) -> Field:
    """Of a header: never empty."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest or not _storable(value):
            raise ValueError(f"write a text of 1 to {longest} characters")
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return Field(name, read, schema, doc, example)


def preference(name: str, doc: str, *, example: str) -> Field:
    """The seconds that `wait` of a Prefer header says; what cannot be read is no preference at
    all (RFC 7240)."""

    def read(value: object) -> int | None:
        for part in str(value).split(","):
            said, _, seconds = part.partition(";")[0].partition("=")
            seconds = seconds.strip().strip('"')
            if said.strip().lower() == "wait" and seconds.isascii() and seconds.isdecimal():
                return int(seconds[:9])
        return None

    return Field(name, read, {"type": "string"}, doc, example)


def read(fields: Iterable[Field], sent: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Every field that was sent, read; one BadRequest that names every fault."""
    known = {field.name: field for field in fields}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in sent.items():
        field = known.get(name)
        if field is None:
            faults.append(Fault(name, _unknown(name, known, where)))
            continue
        try:
            values[name] = field.read(value)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise BadRequest(faults)
    return values


def _unknown(name: str, known: Mapping[str, Field], where: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    if near:
        return f"is unknown in the {where}: did you mean {near[0]}?"
    return f"is unknown in the {where}, which takes {', '.join(known) or 'nothing'}"

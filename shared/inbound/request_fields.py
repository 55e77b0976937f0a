"""Declares the fields of a request: one declaration both checks a field and describes it.

The functions of the HTTP API declare their fields with it; the OpenAPI document comes from the same
declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from shared.errors import Fault
from shared.inbound.request_errors import MAX_FAULTS, BadRequest
from shared.protocol.durations import (
    DURATION_PATTERN,
    ZERO_PATTERN,
    duration,
    instant,
    instant_or_duration,
)
from shared.protocol.stream import MAX_NAME_BYTES, name_fault

Schema = Mapping[str, Any]
PRINTABLE = r"\p{L}\p{M}\p{N}\p{P}\p{S}"
"""A character class for regular expressions of JSON Schema: the characters for which
`str.isprintable` is true, without the space."""


class Field(Struct, frozen=True):
    """One field of a request. `read` checks the sent value and returns it, converted; its
    ValueError says what to write instead. `schema`, `doc` and `example` describe the field in the
    OpenAPI document. `example` is None for a time, for which the document computes an example in
    the future."""

    name: str
    read: Callable[[Any], Any]
    schema: Schema
    doc: str
    example: str | int | bool | Mapping[str, Any] | Sequence[Any] | None
    is_required: bool = False


class SeveralFaults(ValueError):
    """Several faults of one field, such as one for each wrong entry of a list. A field's `read`
    raises it, with the text of each fault in `args`."""


class OneOf(Struct, frozen=True):
    """Two fields of which a request may have one; if `is_required`, it must have one of them."""

    names: tuple[str, str]
    is_required: bool = False

    @property
    def schema(self) -> Schema:
        each = [{"required": [name], "properties": {name: {}}} for name in self.names]
        return {"oneOf": each} if self.is_required else {"not": {"allOf": each}}

    def faults(self, sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault if both fields were sent, or if neither was sent and one is required."""
        count = sum(name in sent for name in self.names)
        names = " or ".join(f"`{name}`" for name in self.names)
        if count > 1:
            yield Fault(self.names[0], f"send either {names}, not both")
        if count == 0 and self.is_required:
            yield Fault(self.names[0], f"send either {names}", "MissingParam")


def text(name: str, doc: str, *, example: str, longest: int = 200) -> Field:
    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest:
            raise ValueError(f"write a text of at most {longest} characters")
        if not _storable(value):
            raise ValueError("write one line of printable characters")
        return value

    schema = {"type": "string", "maxLength": longest, "pattern": f"^[{PRINTABLE} ]*$"}
    return Field(name, read, schema, doc, example)


def _storable(value: str) -> bool:
    """Return True for printable text. A lone surrogate, for example, fits into no store and
    no log."""
    return all(character.isprintable() for character in value)


NAME: Schema = {
    "type": "string",
    "description": f"at most {MAX_NAME_BYTES} bytes of UTF-8",
    "minLength": 1,
    "maxLength": MAX_NAME_BYTES,
    "not": {"anyOf": [{"enum": [".", ".."]}, {"pattern": r"[*\x00\ufffd]"}]},
}
"""The schema of the name of an application or stream. It accepts what `name_fault` accepts, except
for the length: a schema counts characters, not bytes."""


def stream_name(name: str, doc: str, *, example: str) -> Field:
    """Return a field that holds the name of an application or a stream."""

    def read(value: object) -> str:
        fault = name_fault(value) if isinstance(value, str) else "is not a text"
        if fault:
            raise ValueError(fault)
        return str(value)

    return Field(name, read, NAME, doc, example)


def choice(name: str, kind: type[Enum], doc: str) -> Field:
    """Return a field that holds a value of the enum `kind`."""
    return _one_of(name, kind, [each.value for each in kind], doc)


def _one_of(name: str, kind: Callable[[str], Any], values: Sequence[str], doc: str) -> Field:
    def read(value: object) -> object:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"write one of {', '.join(values)}")
        return kind(value)

    return Field(name, read, {"type": "string", "enum": list(values)}, doc, values[0])


def flag(name: str, doc: str) -> Field:
    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("write `true` or `false`")  # noqa: TRY004 - one way to say all faults
        return value

    return Field(name, read, {"type": "boolean"}, doc, example=True)


def texts(value: object, most: int) -> list[str]:
    """Return `value` if it is a list of at most `most` texts, all different. Raise ValueError for
    anything else."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"write a list of at most {most} texts")
    if not all(isinstance(each, str) for each in value) or len(set(value)) < len(value):
        raise ValueError("write a list of texts, none of them twice")
    return value


def list_of(items: Schema, most: int, *, least: int = 0) -> Schema:
    """Return the schema of a list of `least` to `most` items, all different."""
    size = {"minItems": least, "maxItems": most}
    return {"type": "array", "items": items, **size, "uniqueItems": True}


def switch(name: str, doc: str) -> Field:
    """Return a query field that is true or false, sent as text."""
    return _one_of(name, "true".__eq__, ["true", "false"], doc)


DURATION: Schema = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "not": {"pattern": ZERO_PATTERN},
}


def span(name: str, doc: str, *, example: str) -> Field:
    """Return a field that holds a duration; its value is in ms."""
    return Field(name, duration, DURATION, doc, example)


def moment(name: str, doc: str) -> Field:
    """Return a field that holds an instant; its value is in ms since the epoch."""
    schema = {"type": "string", "format": "date-time"}
    return Field(name, instant, schema, doc, example=None)


def beginning(doc: str, *, example: str) -> Field:
    """Return the field `from`, the beginning of a period: an instant, or a duration before the end
    of the period. Its value is a pair: the instant or the duration, in ms, and True if it is a
    duration."""
    either = {"anyOf": [DURATION, {"type": "string", "format": "date-time"}]}
    return Field("from", instant_or_duration, either, doc, example)


def whole(name: str, doc: str, *, least: int, most: int, example: int) -> Field:
    """Return a query field that holds a whole number, sent as text."""

    def read(value: object) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdecimal():
            raise ValueError(f"write a whole number from {least} to {most}")
        if len(value) > len(str(most)) or not least <= int(value) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(value)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Field(name, read, schema, doc, example)


DEFAULT_ROWS, MAX_ROWS = 100, 1000
LIMIT = whole("limit", "the largest number of rows", least=1, most=MAX_ROWS, example=DEFAULT_ROWS)


def key(name: str, doc: str, *, example: str, longest: int = 200) -> Field:
    """Return a header field that holds a text of 1 to `longest` printable characters."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest or not _storable(value):
            raise ValueError(f"write a text of 1 to {longest} characters")
        return value

    schema = {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        "pattern": f"^[{PRINTABLE} ]*$",
    }
    return Field(name, read, schema, doc, example)


def preference(name: str, doc: str, *, example: str) -> Field:
    """Return the field of a Prefer header (RFC 7240). Its value is the number of seconds in
    `wait=…`; None if the header has no `wait` that can be read."""

    def read(value: object) -> int | None:
        for part in str(value).split(","):
            token, _, seconds = part.partition(";")[0].partition("=")
            seconds = seconds.strip().strip('"')
            if token.strip().lower() == "wait" and seconds.isascii() and seconds.isdecimal():
                return int(seconds[:9])
        return None

    return Field(name, read, {"type": "string"}, doc, example)


def read(
    fields: Iterable[Field],
    sent: Mapping[str, Any],
    *,
    where: str,
    one_of: OneOf | None = None,
    together: Callable[[Mapping[str, Any]], Iterable[Fault]] = lambda _: (),
) -> dict[str, Any]:
    """Check the fields that were sent, and return their converted values by name. Raise one
    BadRequest with every fault. `where` names the part of the request in the texts of faults, such
    as `query`. `together` gets the values that could be read, and returns the faults that show only
    when values are compared."""
    known = {field.name: field for field in fields}
    values: dict[str, Any] = {}
    faults = [
        Fault(field.name, "is missing", "MissingParam")
        for field in known.values()
        if field.is_required and field.name not in sent
    ]
    faults += one_of.faults(sent) if one_of else ()
    for name in (name for name in known if name in sent):
        faults += _read_into(values, known[name], sent[name])
    faults += together(values)
    faults += _unknown_fields([name for name in sent if name not in known], known, where)
    if faults:
        raise BadRequest(faults)
    return values


def _read_into(values: dict[str, Any], field: Field, value: object) -> Iterator[Fault]:
    try:
        values[field.name] = field.read(value)
    except SeveralFaults as errors:
        yield from (Fault(field.name, detail) for detail in errors.args)
    except ValueError as error:
        yield Fault(field.name, str(error))


def _unknown_fields(
    names: Sequence[str], known: Mapping[str, Field], where: str
) -> Iterator[Fault]:
    """Yield a fault for each unknown name, with suggestions for as many as an answer shows."""
    for at, name in enumerate(names):
        shown = name or '""'  # an empty name would not show in a sentence
        yield Fault(shown, _unknown(name, known, where) if at < MAX_FAULTS else "")


def _unknown(name: str, known: Mapping[str, Field], where: str) -> str:
    from difflib import get_close_matches

    near, accepted = get_close_matches(name, known, n=1), ", ".join(known) or "none"
    if where == "body":  # texts of their own, because a translation has other words for the parts
        if near:
            return f"is unknown in the body: did you mean {near[0]}?"
        return f"is unknown; the fields of the body: {accepted}"
    if near:
        return f"is unknown in the query: did you mean {near[0]}?"
    return f"is unknown; the parameters of the query: {accepted}"

"""AMF0, the encoding of RTMP commands and of FLV metadata.

ingest.py, publisher.py and flv.py read and write it.
Reading must raise nothing but Malformed, whatever the bytes are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from emulator.media.malformed import Malformed

Value: TypeAlias = "float | bool | str | dict[str, Value] | list[Value] | None"

NUMBER, BOOLEAN, TEXT, OBJECT, NULL, UNDEFINED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
NAMED_ARRAY, OBJECT_END, ARRAY, DATE, LONG_TEXT = 0x08, 0x09, 0x0A, 0x0B, 0x0C
MAX_DEPTH = 16
MAX_VALUES = 10_000
"""A few bytes can announce any number of values; without a limit a peer could block us."""
MAX_SHORT_TEXT_BYTES = 0xFFFF


class Reader:
    """Reads values one after the other; raises nothing but Malformed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = MAX_VALUES

    def all(self) -> list[Value]:
        found = []
        while self._at < len(self._data):
            found.append(self.value())
        return found

    def value(self, depth: int = 0) -> Value:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise Malformed("an AMF value is too deep or too large")
        kind = self._take(1)[0]
        read = _READ.get(kind)
        if read is None:
            raise Malformed(f"AMF type {kind:#04x} is not known")
        return read(self, depth)

    def number(self, _depth: int) -> float:
        value: float = struct.unpack(">d", self._take(8))[0]
        return value

    def boolean(self, _depth: int) -> bool:
        return self._take(1) != b"\0"

    def text(self, _depth: int) -> str:
        return self._take(self._length(">H")).decode("utf-8", "replace")

    def long_text(self, _depth: int) -> str:
        return self._take(self._length(">I")).decode("utf-8", "replace")

    def nothing(self, _depth: int) -> None:
        """Read null or undefined, which have no bytes of their own."""

    def date(self, depth: int) -> float:
        value = self.number(depth)
        self._take(2)  # a time zone, which is always 0
        return value

    def named_array(self, depth: int) -> dict[str, Value]:
        self._take(4)  # how many there will be, which is only a hint
        return self.object(depth)

    def object(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while True:
            name = self.text(depth)
            if not name and self._data[self._at : self._at + 1] == bytes([OBJECT_END]):
                self._at += 1
                return found
            found[name] = self.value(depth + 1)

    def array(self, depth: int) -> list[Value]:
        return [self.value(depth + 1) for _ in range(self._length(">I"))]

    def _length(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise Malformed("an AMF value is cut off")
        self._at += count
        return taken


_READ: Mapping[int, Callable[[Reader, int], Value]] = {
    NUMBER: Reader.number,
    BOOLEAN: Reader.boolean,
    TEXT: Reader.text,
    OBJECT: Reader.object,
    NULL: Reader.nothing,
    UNDEFINED: Reader.nothing,
    NAMED_ARRAY: Reader.named_array,
    ARRAY: Reader.array,
    DATE: Reader.date,
    LONG_TEXT: Reader.long_text,
}


def read(data: bytes) -> list[Value]:
    return Reader(data).all()


def write(*values: Value) -> bytes:
    return b"".join(map(_encode, values))


def write_named_array(pairs: Mapping[str, Value]) -> bytes:
    return bytes([NAMED_ARRAY]) + struct.pack(">I", len(pairs)) + _pairs(pairs)


def _encode(value: Value) -> bytes:
    match value:
        case None:
            return bytes([NULL])
        case bool():
            return bytes([BOOLEAN, value])
        case int() | float():
            return bytes([NUMBER]) + struct.pack(">d", value)
        case str():
            return _text(value)
        case dict():
            return bytes([OBJECT]) + _pairs(value)
        case _:
            return bytes([ARRAY]) + struct.pack(">I", len(value)) + write(*value)


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if len(data) > MAX_SHORT_TEXT_BYTES:
        return bytes([LONG_TEXT]) + struct.pack(">I", len(data)) + data
    return bytes([TEXT]) + _name(data)


def _pairs(pairs: Mapping[str, Value]) -> bytes:
    rows = [
        _name(name.encode("utf-8", "replace")) + _encode(value) for name, value in pairs.items()
    ]
    return b"".join(rows) + _name(b"") + bytes([OBJECT_END])


def _name(data: bytes) -> bytes:
    cut = data[:MAX_SHORT_TEXT_BYTES]
    return struct.pack(">H", len(cut)) + cut

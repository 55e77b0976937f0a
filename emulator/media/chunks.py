"""RTMP's chunk stream: messages split into chunks of several interleaved streams.

ingest.py and publisher.py feed bytes in and take messages out.
It does no I/O; bytes that are wrong raise Malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from emulator.media.malformed import Malformed

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW, BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA_3, COMMAND_3, DATA, COMMAND = 8, 9, 15, 17, 18, 20
EXTENDED_TIMESTAMP = 0xFFFFFF
HEADER_BYTES = (11, 7, 3, 0)
DEFAULT_CHUNK_BYTES = 128
MAX_PENDING_BYTES = 8 * 2**20
"""Limit for all unfinished messages together; a key frame is far smaller."""
MAX_STREAMS = 64
TIMESTAMP_WRAP_MS = 2**32
"""Timestamps are ms in 32 bits, and begin anew after 49 days."""


@dataclass(frozen=True, slots=True)
class Message:
    """One RTMP message; `timestamp` is in ms, from the peer's own start."""

    kind: int
    timestamp: int
    payload: bytes
    stream: int = 0


@dataclass(slots=True)
class _Stream:
    """One chunk stream: the header of its last chunk and the message being received."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    kind: int = 0
    stream: int = 0
    extended: int | None = None
    received: bytearray = field(default_factory=bytearray)


class ChunkReader:
    def __init__(self) -> None:
        self.chunk_size = DEFAULT_CHUNK_BYTES
        self._data = bytearray()
        self._streams: dict[int, _Stream] = {}
        self._pending = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        self._data += data
        at = 0
        try:
            while (chunk := self._chunk(at)) is not None:
                at, message = chunk
                if message is not None:
                    self._apply(message)
                    yield message
        finally:
            del self._data[:at]

    def _chunk(self, at: int) -> tuple[int, Message | None] | None:
        """Return where the next chunk begins and the message that this one completes.

        Return None if the chunk has not arrived in full.
        """
        basic = self._basic(at)
        if basic is None:
            return None
        form, number, at = basic
        size = HEADER_BYTES[form]
        if len(self._data) < at + size:
            return None
        stream = self._stream(number, form)
        header = bytes(self._data[at : at + size])
        extended = self._extended(stream, form, header, at + size)
        if extended is None:
            return None
        at += size + (4 if extended[1] else 0)
        length = int.from_bytes(header[3:6], "big") if size > HEADER_BYTES[2] else stream.length
        if length > MAX_PENDING_BYTES:
            raise Malformed(f"a message of {length} bytes")
        part = min(self.chunk_size, length - len(stream.received))
        if len(self._data) < at + part:
            return None
        self._begin(stream, form, header, length, extended[0] if extended[1] else None)
        return at + part, self._take(stream, bytes(self._data[at : at + part]))

    def _basic(self, at: int) -> tuple[int, int, int] | None:
        if len(self._data) <= at:
            return None
        form, number = self._data[at] >> 6, self._data[at] & 0x3F
        more = {0: 1, 1: 2}.get(number, 0)
        if len(self._data) < at + 1 + more:
            return None
        if more:
            number = 64 + int.from_bytes(self._data[at + 1 : at + 1 + more], "little")
        return form, number, at + 1 + more

    def _stream(self, number: int, form: int) -> _Stream:
        found = self._streams.get(number)
        if found is None:
            if form != 0 or len(self._streams) >= MAX_STREAMS:
                raise Malformed("a chunk stream begins in its middle, or there are too many")
            found = self._streams[number] = _Stream()
        if found.received and form != len(HEADER_BYTES) - 1:
            raise Malformed("a message begins before the one before it has ended")
        return found

    def _extended(
        self, stream: _Stream, form: int, header: bytes, at: int
    ) -> tuple[int, bool] | None:
        """Return the extended timestamp and whether there is one; None if it has not arrived.

        Some peers repeat it in chunks without a header, some do not.
        """
        is_bare = form == len(HEADER_BYTES) - 1
        if is_bare and stream.extended is None:
            return 0, False
        if not is_bare and int.from_bytes(header[:3], "big") != EXTENDED_TIMESTAMP:
            return 0, False
        if len(self._data) < at + 4:
            return None
        value = int.from_bytes(self._data[at : at + 4], "big")
        return value, not is_bare or value == stream.extended

    def _begin(
        self, stream: _Stream, form: int, header: bytes, length: int, extended: int | None
    ) -> None:
        """Take over the header, if this chunk begins a message."""
        if stream.received:
            return
        if header:
            stream.extended = extended
            stream.delta = int.from_bytes(header[:3], "big") if extended is None else extended
        if len(header) > HEADER_BYTES[2]:
            stream.length, stream.kind = length, header[6]
        if form == 0:
            stream.stream = struct.unpack("<I", header[7:11])[0]
            stream.timestamp, stream.delta = stream.delta, 0
        else:
            stream.timestamp = (stream.timestamp + stream.delta) % TIMESTAMP_WRAP_MS

    def _take(self, stream: _Stream, part: bytes) -> Message | None:
        stream.received += part
        self._pending += len(part)
        if self._pending > MAX_PENDING_BYTES:
            raise Malformed(f"more than {MAX_PENDING_BYTES} bytes of messages that do not end")
        if len(stream.received) < stream.length:
            return None
        message = Message(stream.kind, stream.timestamp, bytes(stream.received), stream.stream)
        self._pending -= len(stream.received)
        stream.received.clear()
        return message

    def _apply(self, message: Message) -> None:
        """Apply a control message that changes how chunks are read."""
        if message.kind == SET_CHUNK_SIZE:
            size = number(message)
            if not 1 <= size <= EXTENDED_TIMESTAMP:
                raise Malformed(f"a chunk size of {size}")
            self.chunk_size = size
        elif message.kind == ABORT and (stream := self._streams.get(number(message))):
            self._pending -= len(stream.received)
            stream.received.clear()


def number(message: Message) -> int:
    """Return the one number of a protocol control message."""
    if len(message.payload) < 4:  # noqa: PLR2004 - bytes of a number
        raise Malformed(f"a control message of {len(message.payload)} bytes")
    return int.from_bytes(message.payload[:4], "big")


class ChunkWriter:
    """Writes each message with a full header, so that none depends on the one before."""

    def __init__(self) -> None:
        self.chunk_size = DEFAULT_CHUNK_BYTES

    def write(self, message: Message, channel: int) -> bytes:
        """Return the message's chunks; `channel` is the chunk stream, from 2 to 63."""
        extended = message.timestamp >= EXTENDED_TIMESTAMP
        more = struct.pack(">I", message.timestamp % TIMESTAMP_WRAP_MS) if extended else b""
        header = (
            bytes([channel])
            + min(message.timestamp, EXTENDED_TIMESTAMP).to_bytes(3, "big")
            + len(message.payload).to_bytes(3, "big")
            + bytes([message.kind])
            + struct.pack("<I", message.stream)
            + more
        )
        size, payload = self.chunk_size, message.payload
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        return header + (bytes([0xC0 | channel]) + more).join(parts)

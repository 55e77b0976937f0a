"""FLV tags, and files of them.

ingest.py and publisher.py exchange tags; flv_recording.py writes files.
It must not know where tags come from.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import BinaryIO

from emulator.media import amf
from emulator.media.amf import Value
from emulator.media.malformed import Malformed

AUDIO, VIDEO, SCRIPT = 8, 9, 18
SIGNATURE = b"FLV\x01"
HEADER = SIGNATURE + b"\x05\x00\x00\x00\x09" + b"\x00\x00\x00\x00"
TAG_HEADER_BYTES = 11
AVC, AAC = 7, 10
KEY_FRAME = 1
EXTENDED_VIDEO = 0x80
"""The bit that marks newer codecs, which have no number (enhanced RTMP)."""
EXTENDED_FRAMES = (1, 3)
META = "onMetaData"
DURATION_OFFSET_BYTES = (
    len(HEADER) + TAG_HEADER_BYTES + len(amf.write(META)) + 5 + 2 + len(b"duration") + 1
)
"""The offset of the duration, a double and the first metadata value, in a file of ours."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One FLV tag; `timestamp` is in ms."""

    kind: int
    timestamp: int
    payload: bytes

    @property
    def is_video(self) -> bool:
        return self.kind == VIDEO and bool(self.payload)

    @property
    def is_header(self) -> bool:
        """True for a sequence header, which a decoder needs before any frame."""
        if self.kind == AUDIO and self.payload:
            return self.payload[0] >> 4 == AAC and self._is_first()
        if not self.is_video:
            return False
        if self.payload[0] & EXTENDED_VIDEO:
            return self.payload[0] & 0x0F == 0
        return self.payload[0] & 0x0F == AVC and self._is_first()

    @property
    def is_frame(self) -> bool:
        """True for a picture or sound: neither a header nor the end of a sequence."""
        if not self.is_video:
            return self.kind == AUDIO and bool(self.payload) and not self.is_header
        if self.payload[0] & EXTENDED_VIDEO:
            return self.payload[0] & 0x0F in EXTENDED_FRAMES
        return self.payload[0] & 0x0F != AVC or self.payload[1:2] == b"\1"

    @property
    def is_key_frame(self) -> bool:
        return self.is_video and self.is_frame and self.payload[0] >> 4 & 7 == KEY_FRAME

    def _is_first(self) -> bool:
        return self.payload[1:2] == b"\0"

    def encode(self) -> bytes:
        size = len(self.payload)
        clock = self.timestamp
        low, high = (clock & 0xFFFFFF).to_bytes(3, "big"), bytes([clock >> 24 & 0xFF])
        header = bytes([self.kind]) + size.to_bytes(3, "big") + low + high + b"\0\0\0"
        return header + self.payload + struct.pack(">I", TAG_HEADER_BYTES + size)


def metadata(properties: dict[str, Value]) -> Tag:
    """Return the metadata tag of a file whose length is not known yet.

    A publisher's own duration and size do not apply to it.
    """
    kept = {
        name: value for name, value in properties.items() if name not in ("duration", "filesize")
    }
    pairs: dict[str, Value] = {"duration": 0.0, **kept}
    return Tag(SCRIPT, 0, amf.write(META) + amf.write_named_array(pairs))


def read_metadata(payload: bytes) -> dict[str, Value] | None:
    """Return the metadata in a data message or script tag, or None if it has none."""
    try:
        values = amf.read(payload)
    except Malformed:
        return None
    if values[:1] == ["@setDataFrame"]:
        values = values[1:]
    match values:
        case ["onMetaData", dict(properties), *_]:
            return properties
        case _:
            return None


class Writer:
    """Writes a file that is complete after each tag, except for its duration.

    `write_duration` corrects that. The file is locked, so that a cleanup leaves it alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb", buffering=0)
        with suppress(OSError):  # a file system without locks
            flock(self._file, LOCK_EX | LOCK_NB)
        self.size = 0

    def begin(self, properties: dict[str, Value]) -> None:
        self._append(HEADER + metadata(properties).encode())

    def write(self, tag: Tag) -> None:
        self._append(tag.encode())

    def write_duration(self, ms: int) -> None:
        if self.size:
            os.pwrite(self._file.fileno(), struct.pack(">d", ms / 1000), DURATION_OFFSET_BYTES)

    def close(self) -> None:
        self._file.close()

    def _append(self, data: bytes) -> None:
        """Write all of the data or, on a full disk, none."""
        try:
            written = self._file.write(data)
            if written < len(data):
                self._file.write(data[written:])
        except OSError:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            raise
        self.size += len(data)


def read(file: BinaryIO) -> Iterator[Tag]:
    """Yield the tags of a file, metadata included; raise Malformed."""
    head = file.read(9)
    if head[:4] != SIGNATURE or len(head) < 9:  # noqa: PLR2004 - bytes of the header
        raise Malformed("this is no FLV file")
    file.seek(int.from_bytes(head[5:9], "big") + 4)
    while header := file.read(TAG_HEADER_BYTES):
        size = int.from_bytes(header[1:4], "big")
        rest = file.read(size + 4)
        if len(header) < TAG_HEADER_BYTES or len(rest) < size:
            raise Malformed("the file ends within a tag")
        clock = int.from_bytes(header[7:8] + header[4:7], "big")
        yield Tag(header[0], clock, rest[:size])

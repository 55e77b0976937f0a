"""One FLV file being recorded from a publisher's tags.

emulator.live opens, pauses and closes it and hands it every tag.
The file begins at a key frame, its clock at 0, and is complete whenever nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.media.amf import Value
from emulator.media.chunks import TIMESTAMP_WRAP_MS
from emulator.media.flv import AUDIO, VIDEO, Tag, Writer, read_metadata

MAX_FRAME_MS = 1_000
"""The last frame is assumed to last as long as the frame before, but at most this long."""


@dataclass(slots=True)
class Source:
    """A publisher's metadata and headers, which a decoder needs to begin anywhere."""

    metadata: Mapping[str, Value] = field(default_factory=dict)
    headers: dict[int, Tag] = field(default_factory=dict)
    has_video: bool = False

    def learn(self, tag: Tag) -> None:
        if tag.kind not in (AUDIO, VIDEO):
            self.metadata = read_metadata(tag.payload) or self.metadata
            self.has_video = self.has_video or "videocodecid" in self.metadata
            return
        self.has_video = self.has_video or tag.is_video
        if tag.is_header:
            self.headers[tag.kind] = tag


class FlvRecording:
    """One file, which exists from its first frame on.

    `began_ms` and `ended_ms` are the emulator's times of its first and last frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Writer | None = None
        self._is_writing = False
        self._base = 0
        self._last: dict[int, int] = {}
        self._steps: dict[int, int] = {}
        self._headers: dict[int, bytes] = {}
        self.frames = 0
        self.began_ms: int | None = None
        self.ended_ms = 0

    @property
    def duration_ms(self) -> int:
        """The time until the end of the last frame."""
        return max((at + self._steps.get(kind, 0) for kind, at in self._last.items()), default=0)

    def take(self, tag: Tag, source: Source, now_ms: int) -> None:
        """Write the tag; raise OSError if the disk is full. The file stays complete."""
        if self._is_writing and tag.is_header:
            self._write_header(tag)
        if tag.is_frame and (self._is_writing or self._begin_at(tag, source, now_ms)):
            self._write_frame(tag, now_ms)

    def pause(self) -> None:
        """Stop writing. Writing goes on at a later key frame, which follows in the file without a
        gap."""
        self._is_writing = False
        if self._writer:
            self._writer.write_duration(self.duration_ms)

    def close(self) -> None:
        if self._writer:
            self.pause()
            self._writer.close()
            self._writer = None

    def _begin_at(self, tag: Tag, source: Source, now_ms: int) -> bool:
        """Begin with this tag; return False if a file cannot begin with it."""
        if source.has_video and not tag.is_key_frame:
            return False
        if self._writer is None:
            self._writer = Writer(self.path)
            self._writer.begin(dict(source.metadata))
            self.began_ms = now_ms
        self._base = (tag.timestamp - self.duration_ms) % TIMESTAMP_WRAP_MS
        self._is_writing = True
        for header in source.headers.values():
            self._write_header(header)
        return True

    def _write(self, tag: Tag) -> None:
        if self._writer is not None:
            self._writer.write(tag)

    def _write_header(self, tag: Tag) -> None:
        if self._headers.get(tag.kind) != tag.payload:
            self._headers[tag.kind] = tag.payload
            self._write(Tag(tag.kind, max(self._last.values(), default=0), tag.payload))

    def _write_frame(self, tag: Tag, now_ms: int) -> None:
        """Write a frame. If the publisher's clock jumps back, the file's clock stops meanwhile."""
        passed = (tag.timestamp - self._base) % TIMESTAMP_WRAP_MS
        last = self._last.get(tag.kind)
        at = passed if passed < TIMESTAMP_WRAP_MS // 2 else 0
        if last is not None:
            at = max(at, last)
            self._steps[tag.kind] = min(at - last, MAX_FRAME_MS) or self._steps.get(tag.kind, 0)
        self._write(Tag(tag.kind, at, tag.payload))
        self._last[tag.kind] = at
        self.frames += 1
        self.ended_ms = now_ms

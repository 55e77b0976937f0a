"""One file in the making: begins at a key frame, its clock at 0, whole whenever it stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.media.amf import Value
from emulator.media.chunks import TIMESTAMP_WRAP_MS
from emulator.media.flv import AUDIO, VIDEO, Tag, Writer, read_metadata

MAX_FRAME_MS = 1_000
"""What the last frame is taken to last at the most; so long lasted the one before it."""


@dataclass(slots=True)
class Source:
    """What a decoder needs to know of a publisher before it can begin anywhere."""

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
    """`began_ms` and `ended_ms` say, on the stand-in's clock, when its first and last frame came.

    There is a file from the first frame on.
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
        """To the end of the last frame."""
        return max((at + self._steps.get(kind, 0) for kind, at in self._last.items()), default=0)

    def take(self, tag: Tag, source: Source, now_ms: int) -> None:
        """Raises OSError when the disk takes no more; what is there stays a whole file."""
        if self._is_writing and tag.is_header:
            self._write_header(tag)
        if tag.is_frame and (self._is_writing or self._begin_at(tag, source, now_ms)):
            self._write_frame(tag, now_ms)

    def pause(self) -> None:
        """Whatever comes next begins anew at a key frame, right after what is here."""
        self._is_writing = False
        if self._writer:
            self._writer.write_duration(self.duration_ms)

    def close(self) -> None:
        if self._writer:
            self.pause()
            self._writer.close()
            self._writer = None

    def _begin_at(self, tag: Tag, source: Source, now_ms: int) -> bool:
        """Whether this tag is one to begin with."""
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
        """A clock that jumps back stands still instead."""
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

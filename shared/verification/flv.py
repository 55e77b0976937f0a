"""Judges an FLV file by the tags at its head and its tail.

    header │ tag │ its size │ tag │ its size │ …           … │ tag │ its size │
           └ walked forward: config, key frame                walked back ┘

verify.py calls this module. A file of up to MAX_BYTES is read from end to end.
"""

from __future__ import annotations

from enum import IntEnum

from shared.verification.contract import (
    MAX_BYTES,
    Concluded,
    Evidence,
    EvidenceCode,
    FileOutcome,
    Media,
    Steps,
    evidence,
)
from shared.verification.ranges import Ranges

HEAD_BYTES = 500_000
TAIL_BYTES = 400_000
MAX_STEP_MS = 1_000
"""The last frame counts as long as the one before it, but no longer than this."""
_FILE_HEADER_BYTES, _TAG_HEADER_BYTES, _SIZE_BYTES = 9, 11, 4


class _Kind(IntEnum):
    """Kinds of tags."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


class _Codec(IntEnum):
    """Codecs whose decoder needs a configuration. EXTENDED is the bit that marks newer ones."""

    AAC = 10
    AVC = 7
    HEVC = 12
    EXTENDED = 0x80


class _Packet(IntEnum):
    """Kinds of packets. Others are the end of a sequence, metadata and the like."""

    CONFIG = 0
    FRAME = 1
    FRAME_WITHOUT_OFFSET = 3


class _FrameType(IntEnum):
    KEY = 1


class _Track:
    """The frames of one kind, sound or pictures, in the order of the file."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = self._step = 0
        self.needs_config = self.has_config = False

    def add(self, timestamp: int) -> None:
        if self.first is None:
            self.first = timestamp
        elif timestamp > self.last:
            self._step = min(timestamp - self.last, MAX_STEP_MS)
        self.last = timestamp

    @property
    def begun(self) -> bool:
        return self.first is not None

    @property
    def end(self) -> int:
        return self.last + self._step


class _Tags:
    """Collects what the tags in one part of the file show."""

    def __init__(self) -> None:
        self.tracks: dict[int, _Track] = {_Kind.AUDIO: _Track(), _Kind.VIDEO: _Track()}
        self.first_key: int | None = None

    def add(self, kind: int, timestamp: int, body: bytes) -> None:
        """Remember what a tag shows: its kind, its time in ms, and the first two bytes of its
        body."""
        track = self.tracks.get(kind)
        if track is None or not body:
            return
        needs_config, packet = _audio(body) if kind == _Kind.AUDIO else _video(body)
        track.needs_config = track.needs_config or needs_config
        track.has_config = track.has_config or packet == _Packet.CONFIG
        if packet != _Packet.FRAME:
            return
        track.add(timestamp)
        if kind == _Kind.VIDEO and self.first_key is None and body[0] >> 4 & 7 == _FrameType.KEY:
            self.first_key = timestamp

    @property
    def begun(self) -> list[_Track]:
        return [track for track in self.tracks.values() if track.begun]


def _has_config(track: _Track) -> bool:
    return track.has_config or not track.needs_config


def _audio(body: bytes) -> tuple[bool, int]:
    """Return whether the audio codec needs a configuration, and the kind of packet in this tag."""
    needs_config = body[0] >> 4 == _Codec.AAC
    return needs_config, body[1] if needs_config and len(body) > 1 else _Packet.FRAME


def _video(body: bytes) -> tuple[bool, int]:
    """Return whether the video codec needs a configuration, and the kind of packet in this tag."""
    low = body[0] & 0x0F
    if body[0] & _Codec.EXTENDED:
        return True, _Packet.FRAME if low in (_Packet.FRAME, _Packet.FRAME_WITHOUT_OFFSET) else low
    needs_config = low in (_Codec.AVC, _Codec.HEVC)
    return needs_config, body[1] if needs_config and len(body) > 1 else _Packet.FRAME


def judge_flv(file: Ranges) -> Steps[Media]:
    """Return the duration of an FLV file, with findings that are no fault (`Media`). Raise
    Concluded if the file is faulty, or if it cannot be judged."""
    head = yield from file.read(0, file.size if file.size <= MAX_BYTES else HEAD_BYTES)
    if head[:3] != b"FLV" or len(head) < _FILE_HEADER_BYTES:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NOT_THIS_FORMAT)
    begin = int.from_bytes(head[5:9], "big") + _SIZE_BYTES
    tags = _Tags()
    cut = _walk(head, begin, file.size, tags)
    is_partly_read = cut is None and len(head) < file.size
    tail = (yield from _read_tail(file)) if is_partly_read else tags
    _check_decodable(tags, tail)
    if cut is not None:
        raise Concluded(FileOutcome.TRUNCATED, cut.code, **cut.numbers)
    if tags.tracks[_Kind.VIDEO].first is not None and tags.first_key is None:
        outcome = FileOutcome.TRUNCATED if is_partly_read else FileOutcome.UNPLAYABLE
        raise Concluded(outcome, EvidenceCode.NO_KEY_FRAME)
    return _media(tags, tail)


def _walk(head: bytes, begin: int, size: int, tags: _Tags) -> Evidence | None:
    """Add to `tags` the tags that begin in the head. Return where the file breaks off; None if it
    does not break off in the head. A decoder may find the next tag after a broken one, but what
    lies between is lost."""
    at = begin
    while at < len(head):
        header = head[at : at + _TAG_HEADER_BYTES]
        if len(header) < _TAG_HEADER_BYTES:
            return _inside(at, 0) if len(head) == size else None
        if not _is_tag(header):
            return evidence(EvidenceCode.BROKEN_STRUCTURE, at_byte=at)
        body, end = at + _TAG_HEADER_BYTES, at + _TAG_HEADER_BYTES + _body_bytes(header)
        if end > size:
            return _inside(at, end - size)
        tags.add(header[0], _timestamp(header), head[body : min(body + 2, end)])
        at = end + _SIZE_BYTES
    return None


def _inside(at: int, missing: int) -> Evidence:
    return evidence(EvidenceCode.ENDS_INSIDE, at_byte=at, missing_bytes=missing)


def _check_decodable(head: _Tags, tail: _Tags) -> None:
    """Raise Concluded if a decoder has no configuration, or if an announced track has no frame."""
    announced = [kind for kind, track in head.tracks.items() if track.has_config]
    frames = {kind for part in (head, tail) for kind, track in part.tracks.items() if track.begun}
    if not head.begun or not frames.issuperset(announced):
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_FRAMES)
    if not all(map(_has_config, head.begun)):
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_DECODER_CONFIG)


def _read_tail(file: Ranges) -> Steps[_Tags]:
    """Return the last tags, read backwards by the size that follows each. Raise Concluded if one is
    broken."""
    start = file.size - TAIL_BYTES
    data = yield from file.read(start, TAIL_BYTES)
    found: list[tuple[int, int, bytes]] = []
    end = len(data)
    while end >= _SIZE_BYTES:
        tag_end = end - _SIZE_BYTES
        begin = tag_end - int.from_bytes(data[tag_end:end], "big")
        if begin < 0 and found:
            break
        at = start + begin
        header = yield from file.read(at, _TAG_HEADER_BYTES + 2)
        if at < 0 or not _fits(header, tag_end - begin):
            raise _broken_tail(found, file.size, start + tag_end)
        found.append((header[0], _timestamp(header), header[_TAG_HEADER_BYTES:]))
        end = begin
    tags = _Tags()
    for kind, timestamp, body in reversed(found):
        tags.add(kind, timestamp, body)
    return tags


def _fits(header: bytes, tag_bytes: int) -> bool:
    whole = len(header) > _TAG_HEADER_BYTES and _is_tag(header)
    return whole and _TAG_HEADER_BYTES + _body_bytes(header) == tag_bytes


def _broken_tail(found: list[tuple[int, int, bytes]], size: int, at: int) -> Concluded:
    """Return the finding: the last tag is cut off, or an earlier one is damaged."""
    if not found:
        numbers = {"at_byte": size, "missing_bytes": 0}
        return Concluded(FileOutcome.TRUNCATED, EvidenceCode.ENDS_INSIDE, **numbers)
    return Concluded(FileOutcome.TRUNCATED, EvidenceCode.BROKEN_STRUCTURE, at_byte=at)


def _media(head: _Tags, tail: _Tags) -> Media:
    first = min(track.first for track in head.begun if track.first is not None)
    end = max((track.end for track in (tail.begun or head.begun)), default=0)
    if end < first:
        numbers = {"first_ms": first, "last_ms": end}
        raise Concluded(FileOutcome.DURATION_DIFFERS, EvidenceCode.TIMESTAMPS_RUN_BACK, **numbers)
    late = (head.first_key or 0) - (head.tracks[_Kind.VIDEO].first or 0)
    notes = (evidence(EvidenceCode.LATE_KEY_FRAME, late_ms=late),) if late > 0 else ()
    return Media(end - first, notes)


def _is_tag(header: bytes) -> bool:
    """Return True for the header of a tag: its kind is known, and its stream id is 0."""
    return header[0] in tuple(_Kind) and header[8:_TAG_HEADER_BYTES] == b"\0\0\0"


def _body_bytes(header: bytes) -> int:
    return int.from_bytes(header[1:4], "big")


def _timestamp(header: bytes) -> int:
    """Return the time in ms. The fourth byte of the header's timestamp is the highest one."""
    return int.from_bytes(header[7:8] + header[4:7], "big")

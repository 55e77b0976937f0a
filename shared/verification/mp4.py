"""Judges an MP4 file by its boxes, going from one to the next by their sizes.

    ftyp │ mdat (the media) │ moov (the index)        or moov before mdat
                              └ mvhd, trak: mdhd, stsd, stts, stsz, stco

verify.py calls this module. The media itself is not read.
"""

from __future__ import annotations

from msgspec import Struct

from shared.verification.contract import Concluded, EvidenceCode, FileOutcome, Media, Steps
from shared.verification.ranges import Ranges

MAX_BOXES = 64
"""Boxes read on one level of the file."""
MAX_TRACKS = 4
MAX_STTS_BYTES = 200_000
"""A table of times larger than this is not summed; the track's own duration is used."""
_HEADER_BYTES, _LONG_HEADER_BYTES = 8, 16
_TABLE_HEAD_BYTES = 8
"""Version, flags and the entry count, before the entries of a table."""
_BEGINNINGS = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"})
_FIRST_CHUNK = b"\0\0\0\1"
"""The number of the first chunk, with which the table of chunks (stsc) begins."""
_TABLES = (b"stsd", b"stts", b"stsc", b"stsz")
_WITH_CONFIG = {b"avc1": b"avcC", b"avc3": b"avcC", b"hvc1": b"hvcC", b"hev1": b"hvcC"}


class Box(Struct, frozen=True):
    """A box. Its content lies between the bytes `body` and `end`."""

    kind: bytes
    at: int
    body: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.body


Boxes = dict[bytes, list[Box]]


def judge_mp4(file: Ranges) -> Steps[Media]:
    """Return the duration of an MP4 file, which is that of its longest track. Raise Concluded if
    the file is faulty, or if it cannot be judged."""
    start = yield from file.read(0, _HEADER_BYTES)
    if start[4:8] not in _BEGINNINGS:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NOT_THIS_FORMAT)
    top = yield from _boxes(file, 0, file.size)
    _check_begun(top)
    moov = top[b"moov"][0]
    inside = yield from _boxes(file, moov.body, min(moov.end, file.size))
    if b"mvex" in inside:
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.FRAGMENTED)
    durations = []
    for track in inside.get(b"trak", [])[:MAX_TRACKS]:
        durations.append((yield from _judge_track(file, track, top[b"mdat"])))  # noqa: PERF401 - a comprehension cannot yield
    if not any(durations):
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_SAMPLES)
    _check_whole(top, file.size)
    return Media(max(durations))


def _check_begun(top: Boxes) -> None:
    """Raise Concluded unless there is an index, and media, complete or not."""
    if b"moof" in top:
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.FRAGMENTED)
    for kind, code in ((b"moov", EvidenceCode.NO_INDEX), (b"mdat", EvidenceCode.NO_FRAMES)):
        if kind not in top:
            raise Concluded(FileOutcome.UNPLAYABLE, code)


def _boxes(file: Ranges, start: int, stop: int) -> Steps[Boxes]:
    """Return the boxes from `start` to `stop` by kind, up to the first invalid one."""
    found: Boxes = {}
    at = start
    for _ in range(MAX_BOXES):
        header = yield from file.read(at, min(_LONG_HEADER_BYTES, max(stop - at, 0)))
        if len(header) < _HEADER_BYTES:
            break
        box = _box(header, at, stop)
        if box is None:
            break
        found.setdefault(box.kind, []).append(box)
        at = box.end
    return found


def _box(header: bytes, at: int, stop: int) -> Box | None:
    size, kind, body = int.from_bytes(header[:4], "big"), header[4:8], at + _HEADER_BYTES
    if size == 1 and len(header) == _LONG_HEADER_BYTES:
        size, body = int.from_bytes(header[8:], "big"), at + _LONG_HEADER_BYTES
    elif size == 0:
        size = stop - at  # the box reaches to the end
    return Box(kind, at, body, at + size) if at + size >= body else None


def _check_whole(top: Boxes, size: int) -> None:
    """Raise Concluded unless media and index are complete."""
    for box in (*top[b"mdat"], top[b"moov"][0]):
        if box.end > size:
            numbers = {"at_byte": box.at, "missing_bytes": box.end - size}
            raise Concluded(FileOutcome.TRUNCATED, EvidenceCode.ENDS_INSIDE, **numbers)


def _judge_track(file: Ranges, track: Box, frames: list[Box]) -> Steps[int]:
    """Return the duration of a track in ms; 0 if it is neither sound nor pictures."""
    media = yield from _inside(file, track, b"mdia")
    handler = yield from _content(file, media, b"hdlr", 12)
    if handler[8:12] not in (b"vide", b"soun"):
        return 0
    information = media.get(b"minf", [])
    table = (yield from _inside(file, information[0], b"stbl")) if information else {}
    if any(kind not in table or table[kind][0].end > file.size for kind in _TABLES):
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_SAMPLES)
    yield from _check_description(file, table)
    yield from _check_chunks(file, table, frames)
    timescale, duration = yield from _own_duration(file, media)
    summed = yield from _sum_of_times(file, table)
    ticks = duration if summed is None else summed
    return ticks * 1000 // timescale if timescale else 0


def _inside(file: Ranges, box: Box, kind: bytes) -> Steps[Boxes]:
    """Return the boxes inside the first box of that kind inside `box`."""
    outer = yield from _boxes(file, box.body, box.end)
    if kind not in outer:
        return {}
    inner = outer[kind][0]
    return (yield from _boxes(file, inner.body, min(inner.end, box.end)))


def _content(file: Ranges, boxes: Boxes, kind: bytes, length: int) -> Steps[bytes]:
    """Return the first bytes of the first box of a kind: fewer if the box is shorter, b"" if there
    is no such box."""
    if kind not in boxes:
        return b""
    box = boxes[kind][0]
    return (yield from file.read(box.body, min(length, box.bytes)))


def _check_description(file: Ranges, table: Boxes) -> Steps[None]:
    """Raise Concluded if a decoder would lack its configuration."""
    description = yield from _content(file, table, b"stsd", 4_096)
    if len(description) < _TABLE_HEAD_BYTES + _HEADER_BYTES:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_DECODER_CONFIG)
    config = _WITH_CONFIG.get(description[_TABLE_HEAD_BYTES + 4 : _TABLE_HEAD_BYTES + 8])
    if config is not None and config not in description:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_DECODER_CONFIG)


def _check_chunks(file: Ranges, table: Boxes, frames: list[Box]) -> Steps[None]:
    """Raise Concluded unless the first and last chunk begin inside the media and the file."""
    sizes = yield from _content(file, table, b"stsz", 12)
    runs = yield from _content(file, table, b"stsc", _TABLE_HEAD_BYTES + 4)
    wide = b"co64" in table
    kind, width = (b"co64", 8) if wide else (b"stco", 4)
    head = yield from _content(file, table, kind, _TABLE_HEAD_BYTES + width)
    count = int.from_bytes(head[4:_TABLE_HEAD_BYTES], "big")
    is_mapped = runs[_TABLE_HEAD_BYTES:] == _FIRST_CHUNK
    has_samples = count > 0 and int.from_bytes(sizes[8:12], "big") > 0 and is_mapped
    if not has_samples or table[kind][0].end > file.size:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_SAMPLES)
    box = table[kind][0]
    last = yield from file.read(box.body + _TABLE_HEAD_BYTES + (count - 1) * width, width)
    for place, outcome in (
        (head[_TABLE_HEAD_BYTES:], FileOutcome.UNPLAYABLE),
        (last, FileOutcome.TRUNCATED),
    ):
        at = int.from_bytes(place, "big")
        if at >= file.size:
            numbers = {"at_byte": file.size, "missing_bytes": at - file.size}
            raise Concluded(outcome, EvidenceCode.ENDS_INSIDE, **numbers)
        if not any(box.body <= at < box.end for box in frames):
            raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.BROKEN_STRUCTURE, at_byte=box.at)


def _own_duration(file: Ranges, media: Boxes) -> Steps[tuple[int, int]]:
    """Return the timescale of a track, in ticks a second, and its duration in ticks."""
    header = yield from _content(file, media, b"mdhd", 32)
    if header[:1] == b"\1":
        return int.from_bytes(header[20:24], "big"), int.from_bytes(header[24:32], "big")
    return int.from_bytes(header[12:16], "big"), int.from_bytes(header[16:20], "big")


def _sum_of_times(file: Ranges, table: Boxes) -> Steps[int | None]:
    """Return the duration of all samples, in ticks; None if the table is too large to sum."""
    box = table[b"stts"][0]
    if box.bytes > MAX_STTS_BYTES:
        return None
    table_bytes = yield from file.read(box.body, box.bytes)
    count = int.from_bytes(table_bytes[4:_TABLE_HEAD_BYTES], "big")
    entries = table_bytes[_TABLE_HEAD_BYTES : _TABLE_HEAD_BYTES + 8 * count]
    numbers = [int.from_bytes(entries[at : at + 4], "big") for at in range(0, len(entries) - 3, 4)]
    if not numbers:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_SAMPLES)
    return sum(count * delta for count, delta in zip(numbers[::2], numbers[1::2], strict=False))

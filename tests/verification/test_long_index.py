"""An MP4 file of many hours, whose index alone is larger than what a verification reads."""

from __future__ import annotations

import struct

import pytest

from shared.verification.contract import MAX_BYTES, MAX_REQUESTS, ExpectedFile, FileOutcome
from tests.verification.bucket import MemoryBucket

HOURS = 3
FRAMES = HOURS * 3_600 * 25
URI = "a/long.mp4"


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def table(kind: bytes, count: int, entries: bytes, *before: int) -> bytes:
    return box(kind, bytes(4), *(struct.pack(">I", each) for each in (*before, count)), entries)


def track(handler: bytes, times: bytes, offset: int) -> bytes:
    """Return a track of 25 samples a second; its largest tables have an entry for each of them."""
    description = box(b"avc1", bytes(78), box(b"avcC", bytes(20)))
    samples = box(
        b"stbl",
        table(b"stsd", 1, description),
        table(b"stts", len(times) // 8, times),
        table(b"ctts", FRAMES, struct.pack(">II", 1, 0) * FRAMES),
        table(b"stsc", 1, struct.pack(">III", 1, 1, 1)),
        table(b"stsz", FRAMES, struct.pack(">I", 1) * FRAMES, 0),
        table(b"stco", FRAMES, struct.pack(">I", offset) * FRAMES),
    )
    header = box(b"mdhd", bytes(12), struct.pack(">II", 25, FRAMES), bytes(4))
    kind = box(b"hdlr", bytes(8), handler, bytes(13))
    return box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", header, kind, box(b"minf", samples)))


def long_file(times: bytes) -> bytes:
    start = box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(64))
    tracks = (track(handler, times, 32) for handler in (b"vide", b"soun"))
    return start + box(b"moov", box(b"mvhd", bytes(100)), *tracks)


@pytest.mark.parametrize(
    "times",
    [struct.pack(">II", FRAMES, 1), struct.pack(">II", 1, 1) * FRAMES],
    ids=["frames at a steady rate", "a time for each frame"],
)
def test_the_index_of_a_long_file_is_read_in_part(times: bytes) -> None:
    data = long_file(times)
    bucket = MemoryBucket({URI: data})
    verdict = bucket.judge(ExpectedFile(URI, HOURS * 3_600_000))

    assert len(data) > 5 * MAX_BYTES
    assert verdict.outcome is FileOutcome.VERIFIED, verdict
    assert bucket.read_bytes <= MAX_BYTES
    assert len(bucket.requests) <= MAX_REQUESTS

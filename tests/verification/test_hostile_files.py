"""Whatever the bytes are, a verification returns a verdict, within its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.verification.contract import (
    ABSENT,
    DENIED,
    MAX_BYTES,
    MAX_REQUESTS,
    Answer,
    ExpectedFile,
    Request,
    Stat,
    Verdict,
)
from tests.verification.bucket import MemoryBucket
from tests.verification.samples import FAST_MP4, FLV, M3U8, MP4, samples

pytestmark = pytest.mark.slow

names = st.sampled_from([FLV, MP4, FAST_MP4, M3U8])
edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.binary(max_size=16)
        | st.sampled_from([b"\xff" * 4, b"\0" * 8, b"moov", b"#EXTINF:1e999,", b"\0\0\0\1mdat"]),
    ),
    max_size=6,
)


@dataclass
class LyingBucket(MemoryBucket):
    """Answers whatever it likes, then a size or nothing."""

    lies: list[Answer] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        super().answer(request)
        return self.lies.pop() if self.lies else 10**9


def edited(data: bytes, changes: Sequence[tuple[float, int, bytes]]) -> bytes:
    for place, removed, put in changes:
        at = int(place * len(data))
        data = data[:at] + put + data[at + removed :]
    return data


@given(names, edits, edits, st.none() | st.integers(0, 10**15))
def test_a_damaged_file_has_a_verdict(
    name: str,
    changes: list[tuple[float, int, bytes]],
    others: list[tuple[float, int, bytes]],
    duration_ms: int | None,
) -> None:
    whole = samples()[name].objects
    objects = {uri: edited(data, changes if uri == name else others) for uri, data in whole.items()}
    bucket = MemoryBucket(objects)

    check(bucket, bucket.judge(ExpectedFile(name, duration_ms)))


beginnings = st.sampled_from(
    [b"FLV\x01\x05\0\0\0\x09\0\0\0\0", b"\0\0\0\x08ftyp", b"#EXTM3U\n", b"G"]
)
fillings = st.sampled_from([b"\0", b"G", b"\x08", b"\n", b"a\n", b"\0\0\0\x08moov"])
answers = (
    st.integers(-5, 2**70)
    | st.binary(max_size=64)
    | st.sampled_from([ABSENT, DENIED])
    | st.builds(lambda begin, fill: begin + fill * 500_000, beginnings, fillings)
)


@given(names, st.lists(answers, max_size=80))
def test_answers_that_lie_end_in_a_verdict(name: str, lies: list[Answer]) -> None:
    bucket = LyingBucket({}, lies=list(reversed(lies)))

    check(bucket, bucket.judge(ExpectedFile(name)))


def check(bucket: MemoryBucket, verdict: Verdict) -> None:
    """Assert that the limits were kept, and that every reader of JSON can read the verdict."""
    assert bucket.read_bytes <= MAX_BYTES
    assert len(bucket.requests) <= MAX_REQUESTS
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert all(n < 2**53 for each in verdict.evidence for n in each.numbers.values())


def test_a_name_of_ninety_thousand_folders_is_followed() -> None:
    name = "x/" * 90_000 + "../" * 89_999 + "s.ts"
    bucket = MemoryBucket({"a/x.m3u8": f"#EXTM3U\n{name}\n".encode()})

    check(bucket, bucket.judge(ExpectedFile("a/x.m3u8")))
    assert bucket.requests[-1] == Stat("a/x/s.ts")


@given(st.text(max_size=40), st.text(max_size=200), st.text(max_size=10))
def test_a_playlist_of_any_text_has_a_verdict(uri: str, text: str, bucket: str) -> None:
    objects = {f"{uri}.m3u8": f"#EXTM3U\n{text}".encode("utf-8", "surrogatepass")}
    expected = ExpectedFile(f"{uri}.m3u8", bucket=bucket)
    bucket_in_memory = MemoryBucket(objects)
    check(bucket_in_memory, bucket_in_memory.judge(expected))

"""The verdict on files whose fault is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from emulator.media.flv import AUDIO
from shared.protocol.file import VOD, File
from shared.verification.contract import (
    MAX_BYTES,
    MAX_REQUESTS,
    EvidenceCode,
    ExpectedFile,
    FileOutcome,
    Verdict,
)
from tests.verification.bucket import MemoryBucket
from tests.verification.planted_faults import flv_tags
from tests.verification.samples import DURATION_MS, FAST_MP4, FLV, M3U8, MP4, samples

ALL = (FLV, MP4, FAST_MP4, M3U8)
LATE = DURATION_MS + 60_000
Damage = Callable[[bytes], bytes]


def judged(
    name: str,
    changed: Mapping[str, bytes | None] | None = None,
    duration_ms: int | None = DURATION_MS,
) -> Verdict:
    """Judge a sample. `changed` are objects with other contents, None for absent ones."""
    objects = {**samples()[name].objects, **(changed or {})}
    there = {uri: data for uri, data in objects.items() if data is not None}
    return MemoryBucket(there).judge(ExpectedFile(name, duration_ms))


def damaged(name: str, damage: Damage) -> Verdict:
    return MemoryBucket({name: damage(samples()[name].objects[name])}).judge(
        ExpectedFile(name, 4_000)
    )


def found(verdict: Verdict) -> tuple[FileOutcome, EvidenceCode]:
    return verdict.outcome, verdict.evidence[0].code


@pytest.mark.parametrize("name", ALL)
def test_a_whole_file_is_verified_within_the_limits(name: str) -> None:
    bucket = MemoryBucket(samples()[name].objects)
    verdict = bucket.judge(ExpectedFile(name, DURATION_MS))

    assert verdict.outcome is FileOutcome.VERIFIED
    assert verdict.size_bytes == len(samples()[name].objects[name])
    assert abs((verdict.duration_ms or 0) - DURATION_MS) < 200
    assert bucket.read_bytes <= MAX_BYTES
    assert len(bucket.requests) <= MAX_REQUESTS


@pytest.mark.parametrize("name", ALL)
def test_a_file_of_another_length_than_reported_differs(name: str) -> None:
    verdict = judged(name, duration_ms=LATE)

    assert found(verdict) == (FileOutcome.DURATION_DIFFERS, EvidenceCode.MEDIA_DURATION)
    assert verdict.evidence[0].numbers["reported_ms"] == LATE


@pytest.mark.parametrize("name", ALL)
def test_a_length_that_was_not_reported_is_not_compared(name: str) -> None:
    verdict = judged(name, duration_ms=None)
    assert found(verdict) == (FileOutcome.VERIFIED, EvidenceCode.DURATION_NOT_REPORTED)


@pytest.mark.parametrize("name", ALL)
def test_an_object_that_is_not_there_may_still_come(name: str) -> None:
    verdict = MemoryBucket({}).judge(ExpectedFile(name))
    assert found(verdict) == (FileOutcome.MISSING, EvidenceCode.NO_OBJECT)
    assert not verdict.is_final


@pytest.mark.parametrize("name", ALL)
def test_a_refusal_is_no_verdict(name: str) -> None:
    bucket = MemoryBucket(samples()[name].objects, denied={name})
    verdict = bucket.judge(ExpectedFile(name))
    assert found(verdict) == (FileOutcome.UNKNOWN, EvidenceCode.ACCESS_DENIED)
    assert not verdict.is_final


@pytest.mark.parametrize("name", ALL)
def test_nothing_plays_of_an_empty_object(name: str) -> None:
    assert found(damaged(name, lambda _: b"")) == (FileOutcome.UNPLAYABLE, EvidenceCode.EMPTY)


@pytest.mark.parametrize("name", ALL)
def test_what_begins_as_something_else_is_unplayable(name: str) -> None:
    verdict = damaged(name, lambda data: bytes(64) + data[64:])
    assert found(verdict) == (FileOutcome.UNPLAYABLE, EvidenceCode.NOT_THIS_FORMAT)


def moov_at(data: bytes) -> int:
    return data.index(b"moov")


DAMAGES: dict[str, tuple[str, Damage, FileOutcome, EvidenceCode]] = {
    "FLV cut in its last tag": (
        FLV,
        lambda data: data[:-10],
        FileOutcome.TRUNCATED,
        EvidenceCode.ENDS_INSIDE,
    ),
    "FLV cut before its first frame": (
        FLV,
        lambda data: data[:40],
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_FRAMES,
    ),
    "FLV with a tag of no known kind": (
        FLV,
        lambda data: data[:-1_700] + bytes(1_700),
        FileOutcome.TRUNCATED,
        EvidenceCode.BROKEN_STRUCTURE,
    ),
    "FLV without the config of its pictures": (
        FLV,
        lambda data: data.replace(b"\x17\0\0\0\0", b"\x17\2\0\0\0"),
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_DECODER_CONFIG,
    ),
    "FLV whose pictures all depend on others": (
        FLV,
        lambda data: data.replace(b"\x17\1\0\0\0", b"\x27\1\0\0\0"),
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_KEY_FRAME,
    ),
    "MP4 cut before its index": (
        MP4,
        lambda data: data[: moov_at(data) - 100],
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_INDEX,
    ),
    "MP4 cut in its index": (
        MP4,
        lambda data: data[: moov_at(data) + 200],
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_SAMPLES,
    ),
    "MP4 cut in the media after its index": (
        FAST_MP4,
        lambda data: data[:-30_000],
        FileOutcome.TRUNCATED,
        EvidenceCode.ENDS_INSIDE,
    ),
    "MP4 without sample times": (
        MP4,
        lambda data: data.replace(b"stts", b"free"),
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_SAMPLES,
    ),
    "MP4 without a decoder's config": (
        MP4,
        lambda data: data.replace(b"avcC", b"free"),
        FileOutcome.UNPLAYABLE,
        EvidenceCode.NO_DECODER_CONFIG,
    ),
}


@pytest.mark.parametrize("fault", DAMAGES)
def test_damage_at_a_place_that_is_read_is_found(fault: str) -> None:
    name, damage, outcome, code = DAMAGES[fault]
    assert found(damaged(name, damage)) == (outcome, code)


SEGMENT_FAULTS: dict[str, tuple[dict[str, bytes | None], FileOutcome, EvidenceCode]] = {
    "the first is absent": ({"a/x0.ts": None}, FileOutcome.TRUNCATED, EvidenceCode.SEGMENT_ABSENT),
    "the last is absent": ({"a/x3.ts": None}, FileOutcome.TRUNCATED, EvidenceCode.SEGMENT_ABSENT),
    "one is empty": ({"a/x1.ts": b""}, FileOutcome.TRUNCATED, EvidenceCode.SEGMENT_EMPTY),
    "the first is none": (
        {"a/x0.ts": bytes(188 * 20)},
        FileOutcome.TRUNCATED,
        EvidenceCode.SEGMENT_BROKEN,
    ),
    "all are absent": (
        dict.fromkeys(["a/x0.ts", "a/x1.ts", "a/x2.ts", "a/x3.ts"]),
        FileOutcome.MISSING,
        EvidenceCode.SEGMENT_ABSENT,
    ),
}


@pytest.mark.parametrize("fault", SEGMENT_FAULTS)
def test_a_segment_that_is_absent_or_broken_is_found(fault: str) -> None:
    changed, outcome, code = SEGMENT_FAULTS[fault]
    assert found(judged(M3U8, changed)) == (outcome, code)


def playlist(old: bytes, new: bytes, duration_ms: int | None = DURATION_MS) -> Verdict:
    objects = {**samples()[M3U8].objects, M3U8: samples()[M3U8].objects[M3U8].replace(old, new)}
    return MemoryBucket(objects).judge(ExpectedFile(M3U8, duration_ms, bucket="films"))


@pytest.mark.parametrize("duration_ms", [None, DURATION_MS + 60_000])
def test_a_playlist_that_goes_on_is_not_whole_yet(duration_ms: int | None) -> None:
    verdict = playlist(b"#EXT-X-ENDLIST", b"", duration_ms)
    assert found(verdict) == (FileOutcome.TRUNCATED, EvidenceCode.NO_END_LIST)
    assert not verdict.is_final


def test_a_playlist_without_an_end_is_whole_if_it_is_as_long_as_reported() -> None:
    verdict = playlist(b"#EXT-X-ENDLIST", b"")
    assert verdict.outcome is FileOutcome.VERIFIED
    assert EvidenceCode.NO_END_LIST in {finding.code for finding in verdict.evidence}


def test_a_playlist_that_promises_more_than_its_segments_hold_differs() -> None:
    verdict = playlist(b"#EXTINF:1.0", b"#EXTINF:9.0")
    assert found(verdict) == (FileOutcome.DURATION_DIFFERS, EvidenceCode.SPAN_DIFFERS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"#EXTINF:1.0", b"#EXTINF: 1.00000000000"),
        (b"#EXTM3U", "\ufeff#EXTM3U".encode()),
        (b"\n", b"\r\n"),
        (b"#EXT-X-ENDLIST", b"#EXT-X-ENDLIST\nnothing.ts"),
    ],
)
def test_a_playlist_may_be_written_otherwise(old: bytes, new: bytes) -> None:
    assert playlist(old, new).outcome is FileOutcome.VERIFIED


@pytest.mark.parametrize(
    ("written", "outcome"),
    [
        (b"./x0.ts", FileOutcome.VERIFIED),
        (b"../a/x0.ts", FileOutcome.VERIFIED),
        (b"/a/x0.ts?x=1", FileOutcome.VERIFIED),
        (b"https://films.oss-cn-shanghai.aliyuncs.com/a/x0.ts", FileOutcome.VERIFIED),
        (b"https://other.oss-cn-shanghai.aliyuncs.com/a/x0.ts", FileOutcome.UNKNOWN),
        (b"../../x0.ts", FileOutcome.UNKNOWN),
        (b"file:///etc/passwd", FileOutcome.UNKNOWN),
    ],
)
def test_a_segment_is_looked_for_in_the_playlists_bucket_alone(
    written: bytes, outcome: FileOutcome
) -> None:
    assert playlist(b"\nx0.ts", b"\n" + written).outcome is outcome


@pytest.mark.parametrize("line", [b'#EXT-X-MAP:URI="init.mp4"', b"#EXT-X-KEY:METHOD=AES-128"])
def test_segments_that_are_no_plain_ts_are_not_judged(line: bytes) -> None:
    verdict = playlist(b"#EXTM3U", b"#EXTM3U\n" + line)
    assert found(verdict) == (FileOutcome.UNKNOWN, EvidenceCode.FRAGMENTED)


@pytest.mark.parametrize(
    ("uri", "code"), [(f"{VOD}0f3a", "in_vod"), ("a/x.webm", "unknown_format")]
)
def test_other_files_are_not_judged(uri: str, code: str) -> None:
    verdict = MemoryBucket({uri: b"x"}).judge(ExpectedFile(uri))
    assert (verdict.outcome, verdict.evidence[0].code) == (FileOutcome.UNKNOWN, code)


def test_a_file_smaller_than_reported_is_truncated() -> None:
    expected = ExpectedFile(FLV, DURATION_MS, size_bytes=80_000)
    verdict = MemoryBucket(samples()[FLV].objects).judge(expected)
    assert found(verdict) == (FileOutcome.TRUNCATED, EvidenceCode.SMALLER_THAN_REPORTED)

    larger = MemoryBucket(samples()[FLV].objects).judge(replace(expected, size_bytes=70_000))
    assert found(larger) == (FileOutcome.VERIFIED, EvidenceCode.LARGER_THAN_REPORTED)


def test_what_a_callback_reported_is_expected() -> None:
    file = File("a/x.flv", 1_000, 9_000, 4_003)
    assert ExpectedFile.of(file, "films") == ExpectedFile("a/x.flv", 4_003, None, "films")


def padding(size: int) -> bytes:
    """Return a tag of data that no player shows."""
    return b"\x12" + size.to_bytes(3, "big") + bytes(7 + size) + (size + 11).to_bytes(4, "big")


def large(head: Damage, tail: Damage) -> Verdict:
    """Judge a file that is read at its head and its tail, each the clip, changed."""
    clip = samples()[FLV].objects[FLV]
    data = head(clip) + padding(MAX_BYTES) + tail(clip)[13:]
    return MemoryBucket({FLV: data}).judge(ExpectedFile(FLV, DURATION_MS))


def only_of(kind: int) -> Damage:
    """Leave out the frames of the other kind, but not its config."""
    is_kept = {b"\x12", b"\x08" if kind == AUDIO else b"\x09"}.__contains__
    return lambda data: (
        data[:13]
        + b"".join(tag for tag in flv_tags(data) if is_kept(tag[:1]) or tag[12:13] == b"\0")
    )


def test_pictures_that_begin_behind_the_head_are_found_in_the_tail() -> None:
    sound = only_of(AUDIO)
    assert large(sound, bytes).outcome is FileOutcome.VERIFIED
    assert found(large(sound, sound)) == (FileOutcome.UNPLAYABLE, EvidenceCode.NO_FRAMES)


def test_a_large_file_without_a_key_frame_in_its_head_plays_in_part() -> None:
    verdict = large(lambda data: data.replace(b"\x17\1\0\0\0", b"\x27\1\0\0\0"), bytes)
    assert found(verdict) == (FileOutcome.TRUNCATED, EvidenceCode.NO_KEY_FRAME)


def test_a_picture_that_begins_late_is_no_fault() -> None:
    verdict = damaged(FLV, lambda data: data.replace(b"\x17\1\0\0\0", b"\x27\1\0\0\0", 2))
    late = next(each for each in verdict.evidence if each.code is EvidenceCode.LATE_KEY_FRAME)
    assert verdict.outcome is FileOutcome.VERIFIED
    assert 0 < late.numbers["late_ms"] < 1_000

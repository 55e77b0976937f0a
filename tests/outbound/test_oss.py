"""Verdicts on objects of the emulator's bucket, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.live import LiveInThread
from shared.outbound.oss import Bucket, NotJudged, judge
from shared.verification.contract import MAX_BYTES, EvidenceCode, ExpectedFile, FileOutcome, Verdict
from tests.verification.samples import CLIP

KEY = "record/app/room1/x.flv"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    path = tmp_path / "dev-bucket" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(CLIP.read_bytes())
    with LiveInThread(buckets=tmp_path) as live:
        endpoint = live.address.removeprefix("http://")
        yield Bucket("dev-bucket", endpoint, "http", "dev", "dev-secret")


def judged(bucket: Bucket, key: str = KEY, duration_ms: int = 4_000) -> Verdict:
    return judge(bucket.open(), ExpectedFile(key, duration_ms))


def test_a_whole_file_is_verified(bucket: Bucket) -> None:
    verdict = judged(bucket)
    assert verdict.outcome is FileOutcome.VERIFIED
    assert verdict.size_bytes == CLIP.stat().st_size


def test_a_file_over_the_limit_is_read_at_its_head_and_tail(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "dev-bucket" / KEY
    padding = b"\x12\x1e\x84\x80" + bytes(7 + 2_000_000) + (2_000_011).to_bytes(4, "big")
    clip = CLIP.read_bytes()
    path.write_bytes(clip + padding + clip[13:])

    assert path.stat().st_size > MAX_BYTES
    assert judged(bucket).outcome is FileOutcome.VERIFIED
    path.write_bytes(path.read_bytes()[:-100])
    assert judged(bucket).outcome is FileOutcome.TRUNCATED


def test_what_is_not_there_is_missing_and_may_still_come(bucket: Bucket) -> None:
    verdict = judged(bucket, "record/app/room1/y.flv")
    assert (verdict.outcome, verdict.is_final) == (FileOutcome.MISSING, False)


def test_a_refusal_says_nothing_of_the_file(bucket: Bucket) -> None:
    verdict = judged(Bucket("dev-bucket", bucket.endpoint, "http", "dev", "another"))
    assert verdict.evidence[0].code is EvidenceCode.ACCESS_DENIED
    assert not verdict.is_final


def test_a_bucket_that_does_not_answer_is_asked_again_later(bucket: Bucket) -> None:
    with pytest.raises(NotJudged, match="OSS does not answer"):
        judged(Bucket("dev-bucket", "127.0.0.1:9", "http", "dev", "dev-secret"))

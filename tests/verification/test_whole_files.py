"""Whole files of many codecs and settings are verified: no false alarm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared.verification.contract import ExpectedFile, FileOutcome
from tests.support.pushed_recording import ffmpeg
from tests.verification.bucket import MemoryBucket

SECONDS = 3
SOURCE = (
    *("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25"),
    *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-t", str(SECONDS)),
)
H264 = ("-c:v", "libx264", "-preset", "ultrafast")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
AAC, MP3 = ("-c:a", "aac"), ("-c:a", "libmp3lame", "-ar", "44100")
CODECS = {
    "frames out of order": (*H264, "-bf", "3", *AAC),
    "H.265": (*HEVC, *AAC),
    "H.265 as players of Apple want it": (*HEVC, "-tag:v", "hvc1", *AAC),
    "MPEG-4": ("-c:v", "mpeg4", *AAC),
    "MP3": (*H264, *MP3),
    "pictures alone": ("-map", "0:v", *H264),
    "sound alone": ("-map", "1:a", *AAC),
    "a picture a second": (*H264, "-r", "1", *AAC),
}
HLS = ("-hls_time", "1", "-hls_list_size", "0")
NOT_IN_FLV = {"MPEG-4", "H.265 as players of Apple want it"}
FILES = [
    (codecs, container)
    for codecs in CODECS
    for container in ("flv", "mp4", "m3u8")
    if container != "flv" or codecs not in NOT_IN_FLV
]


@pytest.mark.slow
@pytest.mark.parametrize(("codecs", "container"), FILES)
def test_a_whole_file_is_verified(codecs: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{container}"
    options = HLS if container == "m3u8" else ()
    command = [ffmpeg(), "-nostdin", "-v", "error", *SOURCE, *CODECS[codecs], *options, str(path)]
    subprocess.run(command, check=True, timeout=120)
    bucket = MemoryBucket({file.name: file.read_bytes() for file in tmp_path.iterdir()})

    verdict = bucket.judge(ExpectedFile(path.name, SECONDS * 1000))
    assert verdict.outcome is FileOutcome.VERIFIED, verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("container", "options"),
    [
        ("mp4", ("-movflags", "frag_keyframe+empty_moov")),
        ("m3u8", ("-hls_segment_type", "fmp4")),
        ("m3u8", ("-hls_flags", "single_file")),
    ],
)
def test_what_is_not_judged_is_no_alarm(
    container: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / f"x.{container}"
    command = [ffmpeg(), "-nostdin", "-v", "error", *SOURCE, *H264, *AAC, *options, str(path)]
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path)
    bucket = MemoryBucket({file.name: file.read_bytes() for file in tmp_path.iterdir()})

    assert bucket.judge(ExpectedFile(path.name)).outcome is FileOutcome.UNKNOWN

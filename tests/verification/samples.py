"""Whole recordings of the shipped clip in each format that Live writes, made once by ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.pushed_recording import ffmpeg

CLIP = Path(__file__).resolve().parents[2] / "cli/local/clip.flv"
DURATION_MS = 4_086
FLV, MP4, FAST_MP4, M3U8 = "a/x.flv", "a/x.mp4", "a/fast.mp4", "a/x.m3u8"
"""The names of the samples; FAST_MP4 has its index before its media."""


LARGE_FLV, LARGE_MP4, LARGE_M3U8 = "b/x.flv", "b/x.mp4", "b/x.m3u8"
"""Noise, encoded to more than a verification reads; its playlist has more segments than it asks."""
LARGE_DURATION_MS = 4_000
NOISE = (
    *("-f", "lavfi", "-i", "testsrc2=size=256x144:rate=25,noise=alls=70:allf=t"),
    *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=22050", "-t", "4"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-g", "2", "-b:v", "1100k", "-pix_fmt", "yuv420p"),
    *("-c:a", "aac", "-b:a", "16k", "-flvflags", "no_duration_filesize"),
)


class Sample(NamedTuple):
    """The objects of a file, and how long it plays."""

    objects: Mapping[str, bytes]
    duration_ms: int


@cache
def samples() -> Mapping[str, Sample]:
    clip = CLIP.read_bytes()
    made = {name: _remuxed(clip, name) for name in (MP4, FAST_MP4, M3U8)}
    whole = {FLV: {FLV: clip}, **made}
    return {name: Sample(objects, DURATION_MS) for name, objects in whole.items()}


@cache
def large_samples() -> Mapping[str, Sample]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.flv"
        _run(*NOISE, str(path))
        flv = path.read_bytes()
    made = {name: _remuxed(flv, name, "0.04") for name in (LARGE_MP4, LARGE_M3U8)}
    whole = {LARGE_FLV: {LARGE_FLV: flv}, **made}
    return {name: Sample(objects, LARGE_DURATION_MS) for name, objects in whole.items()}


def _remuxed(flv: bytes, name: str, segment_s: str = "1") -> Mapping[str, bytes]:
    """Return the objects of the same media in the format that the name says."""
    folder, _, file = name.rpartition("/")
    options = {
        "fast.mp4": ["-movflags", "+faststart"],
        "x.m3u8": ["-hls_time", segment_s, "-hls_list_size", "0"],
    }.get(file, [])
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "source", Path(place) / "made"
        source.write_bytes(flv)
        made.mkdir()
        _run("-i", str(source), "-c", "copy", *options, str(made / file))
        return {f"{folder}/{each.name}": each.read_bytes() for each in sorted(made.iterdir())}


def _run(*arguments: str) -> None:
    command = [ffmpeg(), "-nostdin", "-v", "error", *arguments]
    subprocess.run(command, check=True, timeout=120)

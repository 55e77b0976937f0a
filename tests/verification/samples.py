"""Whole recordings of the shipped clip in each format that Live writes, made once by ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.support.pushed_recording import ffmpeg

CLIP = Path(__file__).resolve().parents[2] / "cli/local/clip.flv"
DURATION_MS = 4_000
FLV, MP4, FAST_MP4, M3U8 = "a/x.flv", "a/x.mp4", "a/fast.mp4", "a/x.m3u8"
"""The names of the samples; FAST_MP4 has its index before its media."""


@cache
def samples() -> Mapping[str, Mapping[str, bytes]]:
    """Return, for each name, the objects that make up the sample."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        _remux(here / "x.mp4")
        _remux(here / "fast.mp4", "-movflags", "+faststart")
        _remux(here / "x.m3u8", "-hls_time", "1", "-hls_list_size", "0")
        files = {f"a/{file.name}": file.read_bytes() for file in sorted(here.iterdir())}
    parts = {name: data for name, data in files.items() if name.endswith(".ts")}
    return {
        FLV: {FLV: CLIP.read_bytes()},
        MP4: {MP4: files[MP4]},
        FAST_MP4: {FAST_MP4: files[FAST_MP4]},
        M3U8: {M3U8: files[M3U8], **parts},
    }


def _remux(path: Path, *options: str) -> None:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(CLIP), "-c", "copy", *options]
    subprocess.run([*command, str(path)], check=True, timeout=120)

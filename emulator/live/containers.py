"""Writes MP4 and M3U8 files from a finished FLV file.

recorded_files.py calls this module, and decides which containers are made. It runs ffmpeg: that of
the package imageio-ffmpeg, a development dependency, or else the one on PATH.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

FLV, MP4, M3U8 = "flv", "mp4", "m3u8"
TIMEOUT_S = 120
PLAYLIST = "index.m3u8"


@cache
def find_ffmpeg() -> str | None:
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    return shutil.which("ffmpeg")


def can_write(container: str) -> bool:
    return container == FLV or (container in (MP4, M3U8) and find_ffmpeg() is not None)


def to_mp4(flv: Path, folder: Path) -> Path:
    """Return the same media as an MP4 file in the folder; raise OSError."""
    made = folder / "media.mp4"
    _copy(flv, made)
    return made


def to_m3u8(flv: Path, folder: Path, slice_s: int) -> Path:
    """Return a playlist in the folder, beside its segments; raise OSError."""
    made = folder / PLAYLIST
    _copy(flv, made, "-hls_time", str(slice_s), "-hls_list_size", "0")
    return made


def _copy(flv: Path, made: Path, *options: str) -> None:
    """Copy the streams without decoding them. It takes about 0.1 s, and nothing else runs
    meanwhile."""
    command = [find_ffmpeg() or "ffmpeg", "-nostdin", "-v", "error", "-i", str(flv), "-c", "copy"]
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            [*command, *options, str(made)], check=True, capture_output=True, timeout=TIMEOUT_S
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"ffmpeg could not make {made.name}: {error}") from error

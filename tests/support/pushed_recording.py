"""Decodes, with a foreign decoder, what is recorded of a stream that is really pushed."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

PATIENCE = 120.0


@cache
def ffmpeg() -> str:
    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path


class Decoded(NamedTuple):
    """The decoder's result for a file; `said` has its complaints."""

    frames: int
    said: str


def decode(path: Path | str, *options: str) -> Decoded:
    command = [
        ffmpeg(),
        "-nostdin",
        "-v",
        "error",
        "-stats",
        *options,
        "-i",
        str(path),
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    lines = re.split(r"[\r\n]+", done.stderr)
    frames = [int(found[1]) for line in lines if (found := re.match(r"frame=\s*(\d+)", line))]
    said = [line for line in lines if line and not line.startswith("frame=")]
    return Decoded(frames[-1] if frames else 0, "\n".join(said))


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it never came to this: {what}"
        time.sleep(0.01)

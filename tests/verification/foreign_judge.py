"""A verdict by ffmpeg, which decodes the whole file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from shared.verification.contract import DURATION_TOLERANCE_MS, FileOutcome
from tests.support.pushed_recording import ffmpeg
from tests.verification.planted_faults import Planted

NUMBERS = (b"frame", b"out_time_us")
COMPLAINTS = re.compile(r"\[(?:error|fatal)\]|\[warning\].*(?:corrupt|Failed to open segment)")
"""Of its warnings, those by which something of the file is lost."""


def verdict_of_ffmpeg(planted: Planted, folder: Path) -> tuple[FileOutcome, str]:
    """Return the verdict and the first complaint of ffmpeg, which decodes every frame.

    A file without decoded pictures, or without a track of sound, is unplayable. One that is decoded
    with complaints is truncated, whether it ends early or not: ffmpeg cannot tell why a part of a
    file is no good.
    """
    for name, data in planted.objects.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_ended(name, data))
    path = folder / planted.name
    if not path.exists():
        return FileOutcome.MISSING, ""
    played_ms, complaint = _decode(path)
    if not played_ms:
        return FileOutcome.UNPLAYABLE, complaint
    if complaint:
        return FileOutcome.TRUNCATED, complaint
    if abs(played_ms - planted.reported_ms) > DURATION_TOLERANCE_MS:
        return FileOutcome.DURATION_DIFFERS, ""
    return FileOutcome.VERIFIED, ""


def _ended(name: str, data: bytes) -> bytes:
    """Return a playlist with its end: without one, ffmpeg would wait for more."""
    is_open = name.endswith(".m3u8") and b"#EXT-X-ENDLIST" not in data
    return data + b"\n#EXT-X-ENDLIST\n" if is_open else data


def _decode(path: Path) -> tuple[int, str]:
    """Return how many ms were decoded, 0 if no picture was, and the first complaint."""
    command = [ffmpeg(), "-nostdin", "-v", "level+warning", "-threads", "1"]
    command += ["-progress", "pipe:1", "-i", str(path), "-map", "0:v", "-map", "0:a"]
    done = subprocess.run(
        [*command, "-f", "null", "-"], capture_output=True, check=False, timeout=120
    )
    frames, times = (re.findall(name + rb"=(\d+)", done.stdout) for name in NUMBERS)
    has_pictures = bool(frames) and int(frames[-1]) > 0
    complaints = filter(COMPLAINTS.search, done.stderr.decode("utf-8", "replace").splitlines())
    return (int(times[-1]) // 1000 if times and has_pictures else 0), next(complaints, "")

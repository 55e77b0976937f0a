"""Measures what it costs the emulator to record many streams at once, and counts lost frames.

`python -m benchmarks.media --json` pushes every stream in real time from a second process. Each
stream is recorded from its first frame on; a frame that was sent but is in no file is lost. CPU and
memory are those of the emulator alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.local.encoder import clip
from cli.local.tether import run_tethered
from cli.paths import ROOT
from emulator.live import Remote
from emulator.media.flv import Tag, read
from emulator.media.publisher import NotTaken, Publisher, looped, paced
from emulator.shutdown import OPTION

STREAMS, DURATION_S, RATE_KBIT = 60, 20.0, 1_000
TICKS = os.sysconf("SC_CLK_TCK")
AUTOMATIC = {"domain": "live.example.com", "app": "app", "on_demand": 0, "formats": ["flv"]}
"""Automatic recording begins at the first frame, so that every frame sent has to be in a file."""


@dataclass(frozen=True, slots=True)
class Load:
    streams: int
    seconds: float
    kbit: int
    """Bit rate of each stream in kbit/s, reached by filling up its pictures."""

    @property
    def options(self) -> list[str]:
        return [part for name in self.__slots__ for part in (f"--{name}", str(getattr(self, name)))]


def push(url: str, tags: Sequence[Tag]) -> int:
    """Push the tags; return the number of frames sent, 0 if the push was refused or broken off."""
    try:
        with Publisher(url) as publisher:
            for tag in paced(tags):
                publisher.send(tag)
    except NotTaken as refused:
        print(f"{url}: {refused}", file=sys.stderr)
        return 0
    return sum(tag.is_frame for tag in tags)


def tags_of(load: Load) -> list[Tag]:
    """Return the looped clip from a key frame on, where every recording begins."""
    first = next(tag.timestamp for tag in clip() if tag.is_key_frame)
    tags = looped(tag for tag in clip() if not tag.is_frame or tag.timestamp >= first)
    pictures_per_s = 15
    size = load.kbit * 1000 // 8 // pictures_per_s
    taken = itertools.takewhile(lambda tag: tag.timestamp <= load.seconds * 1000, tags)
    return [filled(tag, size) for tag in taken]


def filled(tag: Tag, size: int) -> Tag:
    """Return the tag; a picture is filled up to `size` bytes with a unit that decoders skip."""
    missing = size - len(tag.payload) - 6
    if not (tag.is_video and tag.is_frame) or missing <= 0:
        return tag
    unit = b"\x0c" + b"\xff" * missing + b"\x80"
    return Tag(tag.kind, tag.timestamp, tag.payload + len(unit).to_bytes(4, "big") + unit)


def push_all(rtmp: str, load: Load) -> list[int]:
    tags = tags_of(load)
    with ThreadPoolExecutor(load.streams) as pool:
        urls = [f"{rtmp}/app/stream{number}" for number in range(load.streams)]
        return list(pool.map(lambda url: push(url, tags), urls))


def pushed_by_another(rtmp: str, load: Load) -> list[int]:
    """Push all streams from another process, which is not measured; return the frames of each."""
    command = [sys.executable, "-m", "benchmarks.media", "--push", rtmp]
    done = run_tethered([*command, *load.options], stdout=subprocess.PIPE, cwd=ROOT)
    done.check_returncode()
    sent: list[int] = json.loads(done.stdout)
    return sent


class Emulator:
    """The emulator of Live in a process whose cost is read from /proc."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "emulator.live", "--port", "0", "--json", OPTION]
        self._process = subprocess.Popen(
            [*command, "--buckets", str(folder)],
            stdin=subprocess.PIPE,  # which ends with us, and with it the emulator
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        started = json.loads(line)
        self.rtmp: str = started["rtmp"]
        self.control = Remote(str(started["address"]))
        self.control.notify(stream_url="", record_url="")
        self.control.post("recording", AUTOMATIC)

    @property
    def cpu_s(self) -> float:
        fields = self._about("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def peak_mb(self) -> float:
        line = next(line for line in self._about("status").splitlines() if "VmHWM" in line)
        return int(line.split()[1]) / 1024

    def _about(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="utf-8")

    def recorded(self) -> list[dict[str, Any]]:
        """Let the merge delay pass and return all files."""
        self.control.advance(181)
        streams = self.control.get("state")["streams"]
        return [file for stream in streams for file in stream["kept"]]

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate()


def frames_of(path: str) -> int:
    with Path(path).open("rb") as file:
        return sum(tag.is_frame for tag in read(file))


def measure(folder: Path, load: Load) -> dict[str, float]:
    live = Emulator(folder)
    try:
        before, began = live.cpu_s, time.monotonic()
        sent = pushed_by_another(live.rtmp, load)
        took = time.monotonic() - began
        cpu = (live.cpu_s - before) / took
        files = live.recorded()
        return figures(files, sent, load.seconds) | {
            "cpu_of_one_core": round(cpu, 3),
            "peak_mb": round(live.peak_mb, 1),
        }
    finally:
        live.end()


def figures(
    files: Sequence[dict[str, Any]], sent: Sequence[int], seconds: float
) -> dict[str, float]:
    frames = sum(frames_of(file["path"]) for file in files)
    off = [abs(file["duration_ms"] / 1000 - seconds) for file in files]
    return {
        "streams": len(sent),
        "files": len(files),
        "seconds": seconds,
        "frames_sent": sum(sent),
        "frames_recorded": frames,
        "frames_lost": sum(sent) - frames,
        "longest_off_s": round(max(off, default=seconds), 3),
        "mbit_per_s": round(sum(file["bytes"] for file in files) * 8 / seconds / 1e6, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--seconds", type=float, default=DURATION_S)
    parser.add_argument("--kbit", type=int, default=RATE_KBIT, help="per second, of each stream")
    parser.add_argument("--push", metavar="RTMP", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    load = Load(arguments.streams, arguments.seconds, arguments.kbit)
    if arguments.push:
        print(json.dumps(push_all(arguments.push, load)))
        return 0
    with tempfile.TemporaryDirectory(prefix="live-record-") as folder:
        found = measure(Path(folder), load)
    print(json.dumps(found) if arguments.json else "\n".join(f"{k} {v}" for k, v in found.items()))
    is_complete = found["frames_lost"] == 0 and found["files"] == load.streams
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())

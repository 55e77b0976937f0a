"""Streams that are really pushed in tests: a clip, someone who pushes it, and a foreign decoder."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import imageio_ffmpeg
from typing_extensions import Self

from emulator.media.flv import Tag, read
from emulator.media.publisher import NotTaken, Publisher, looped, paced

CLIP = Path(__file__).parents[1] / "cli" / "clip.flv"
PATIENCE = 15.0


@cache
def ffmpeg() -> str:
    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path


@cache
def clip() -> Sequence[Tag]:
    with CLIP.open("rb") as file:
        return tuple(read(file))


class Decoded(NamedTuple):
    """What the decoder made of a file; `said` is whatever it had to complain of."""

    frames: int
    said: str


def decode(path: Path | str) -> Decoded:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-stats", "-i", str(path), "-f", "null", "-"]
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


@dataclass
class Pushing:
    """The clip again and again in real time, until the block is left or it is cut.

    Let in, or refused, once the block is entered.
    """

    url: str
    refusal: str = ""

    def __enter__(self) -> Self:
        self._enough, self._answered = threading.Event(), threading.Event()
        self._cuts = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._answered.wait(PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._thread.join(PATIENCE)

    def cut(self) -> None:
        """The network goes, without a word."""
        self._cuts = True
        self.__exit__(None, None, None)

    def _run(self) -> None:
        try:
            with Publisher(self.url) as publisher:
                self._answered.set()
                for tag in paced(looped(clip())):
                    if self._enough.is_set():
                        break
                    publisher.send(tag)
                if self._cuts:
                    publisher.cut()
        except NotTaken as refused:
            self.refusal = str(refused)
            self._answered.set()

"""An encoder in a thread, which pushes a clip in a loop until the encoder or its network stops.

The demo, rehearsals and the tests use this module.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.rtmp_errors import why_not_taken
from emulator.media.flv import Tag, read
from emulator.media.publisher import PATIENCE_S, NotTaken, Publisher, looped, paced

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

CLIP = Path(__file__).with_name("clip.flv")
"""4 s of a test picture and a tone; docs/media.md describes how it was made."""


def clip() -> Sequence[Tag]:
    with CLIP.open("rb") as file:
        return tuple(read(file))


class Encoder:
    """A context manager that pushes the clip to `url` while its block runs. When the block begins,
    the server has accepted the push, or `refusal` says why it has not."""

    def __init__(self, url: str) -> None:
        self.refusal = ""
        self._url = url
        self._enough, self._answered = threading.Event(), threading.Event()
        self._is_cut = False
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._answered.wait(PATIENCE_S)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)

    def cut(self) -> None:
        """Drop the connection without closing the stream."""
        self._is_cut = True
        self.__exit__(None, None, None)

    def _run(self) -> None:
        try:
            with Publisher(self._url) as publisher:
                self._answered.set()
                self._push(publisher)
                if self._is_cut:
                    publisher.cut()
        except NotTaken as refused:
            self.refusal = why_not_taken(refused)
            self._answered.set()

    def _push(self, publisher: Publisher) -> None:
        for tag in paced(looped(clip())):
            if self._enough.is_set():
                return
            publisher.send(tag)

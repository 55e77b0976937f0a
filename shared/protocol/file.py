"""A file that a recording left."""

from __future__ import annotations

from msgspec import Struct

VOD = "vod:"
"""What the name of a file begins with that lies in VOD and in no bucket."""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock. `duration`
    (ms) is None where Live, or the release that stored it, told none."""

    uri: str
    start: int
    stop: int
    duration: int | None = None

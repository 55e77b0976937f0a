"""A file that a recording left, in a bucket or in VOD."""

from __future__ import annotations

from msgspec import Struct

VOD = "vod:"
"""Prefix of the name of a file that is in VOD and in no bucket."""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock.

    `duration` (ms) is None if Live sent none, or if the release that stored the entry kept none.
    """

    uri: str
    start: int
    stop: int
    duration: int | None = None

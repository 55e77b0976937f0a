"""A file that a recording left, in a bucket or in VOD."""

from __future__ import annotations

from msgspec import Struct

PushArgs = tuple[tuple[str, str], ...]
"""Names and values, in Live's order."""
VOD = "vod:"
"""Prefix of the name of a file that is in VOD and in no bucket."""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock.

    A time or `duration` (ms) is None if Live reported none. `push_args` are those of the push URL
    that begin with `callback_`: how a publisher ties a file to an id of its own.
    """

    uri: str
    start: int | None
    stop: int | None
    duration: int | None = None
    push_args: PushArgs = ()

    def later(self, report: File) -> File:
        """Return what is known once the same file was reported again: the last report holds where
        it says more."""
        return File(
            self.uri,
            self.start if report.start is None else report.start,
            self.stop if report.stop is None else report.stop,
            self.duration if report.duration is None else report.duration,
            report.push_args or self.push_args,
        )

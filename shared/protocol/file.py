"""A file that a recording left, in a bucket or in VOD."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

PushArgs = tuple[tuple[str, str], ...]
"""Names and values, in Live's order."""
VOD = "vod:"
"""Prefix of the name of a file that is in VOD and in no bucket."""


class Finding(Struct, frozen=True):
    """One thing that was found of a file; the names of the numbers carry their units."""

    code: str
    numbers: Mapping[str, int] = {}


class FileCopy(Struct, frozen=True):
    """What is known at `at` (ms) of the copy of a file in another store: `delivered`, `delivering`,
    or `failed` where only a person's request repeats it. `target` is s3://bucket/name, `why` what
    the last attempt failed with. `segments` and how many of them are copied are those of a
    playlist, None before it is read, and of any other file."""

    state: str
    target: str
    at: int
    copied_bytes: int = 0
    size_bytes: int | None = None
    why: str = ""
    segments: int | None = None
    copied_segments: int | None = None


class FileVerdict(Struct, frozen=True):
    """What was found of a file in the bucket at `at` (ms): `verified`, or what is wrong with it.
    `size_bytes` and `duration_ms` are those of the object itself, None where unknown. `copy` is
    None where it is not delivered elsewhere. `place` is the bucket that it was looked for in, as
    name/endpoint: the policy may name another one by now."""

    outcome: str
    at: int
    evidence: tuple[Finding, ...] = ()
    size_bytes: int | None = None
    duration_ms: int | None = None
    copy: FileCopy | None = None
    place: str = ""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock.

    A time or `duration` (ms) is None if Live reported none. `push_args` are those of the push URL
    that begin with `callback_`: how a publisher ties a file to an id of its own. `verdict` is None
    until somebody has looked at the file.
    """

    uri: str
    start: int | None
    stop: int | None
    duration: int | None = None
    push_args: PushArgs = ()
    verdict: FileVerdict | None = None

    @property
    def place(self) -> str:
        """Return the bucket that the file is known to be in, as name/endpoint; "" for the one that
        the policy names now."""
        return self.verdict.place if self.verdict else ""

    def later(self, report: File) -> File:
        """Return what is known once the same file was reported again: the last report holds where
        it says more."""
        return File(
            self.uri,
            self.start if report.start is None else report.start,
            self.stop if report.stop is None else report.stop,
            self.duration if report.duration is None else report.duration,
            report.push_args or self.push_args,
            self.verdict,
        )

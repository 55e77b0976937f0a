"""A file that a recording left, in a bucket or in VOD."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

PushArgs = tuple[tuple[str, str], ...]
"""Arguments of a push URL, as names and values in Live's order."""
VOD = "vod:"
"""The prefix of the name of a file in VOD, which is in no bucket."""


class Finding(Struct, frozen=True):
    """One finding about a file: a code and its numbers. The name of a number gives its unit."""

    code: str
    numbers: Mapping[str, int] = {}


class FileCopy(Struct, frozen=True):
    """The copy of a file in another store, as known at `at`, in ms. `state` is `delivering`,
    `delivered` or `failed`; a failed copy is tried again only if a person asks. `target` is
    s3://bucket/name; `why` is the error of the last attempt. For a playlist, `segments` and
    `copied_segments` count its segments. They are None before the playlist is read, and for any
    other file."""

    state: str
    target: str
    at: int
    copied_bytes: int = 0
    size_bytes: int | None = None
    why: str = ""
    segments: int | None = None
    copied_segments: int | None = None


class FileVerdict(Struct, frozen=True):
    """The result of verifying a file at `at`, in ms. `outcome` is a value of `FileOutcome`, such as
    `verified`. `size_bytes` and `duration_ms` were read from the object; None if unknown. `copy` is
    None if the file is not copied elsewhere. `place` is the bucket in which the file was read, as
    name/endpoint; the policy may name another one by now."""

    outcome: str
    at: int
    evidence: tuple[Finding, ...] = ()
    size_bytes: int | None = None
    duration_ms: int | None = None
    copy: FileCopy | None = None
    place: str = ""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock.

    Times and `duration` are in ms; each is None if Live did not report it. `push_args` are the
    arguments of the push URL whose names begin with `callback_`; with them, a publisher can link a
    file to an id of the publisher's own. `verdict` is None before verification.
    """

    uri: str
    start: int | None
    stop: int | None
    duration: int | None = None
    push_args: PushArgs = ()
    verdict: FileVerdict | None = None

    @property
    def place(self) -> str:
        """Return the bucket in which the file was read, as name/endpoint; "" means the bucket that
        the policy names now."""
        return self.verdict.place if self.verdict else ""

    def later(self, report: File) -> File:
        """Return the file after Live has reported it once more as `report`. A value that the new
        report gives replaces the old one."""
        return File(
            self.uri,
            self.start if report.start is None else report.start,
            self.stop if report.stop is None else report.stop,
            self.duration if report.duration is None else report.duration,
            report.push_args or self.push_args,
            self.verdict,
        )

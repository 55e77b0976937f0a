"""A file that a recording left, in a bucket or in VOD."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

PushArgs = tuple[tuple[str, str], ...]
"""Arguments of a push URL, as names and values in Live's order."""
VOD = "vod:"
"""The prefix of the name of a file in VOD, which is in no bucket."""


class Finding(Struct, frozen=True):
    """One finding about a file. The names of its numbers carry their units."""

    code: str
    numbers: Mapping[str, int] = {}


class FileCopy(Struct, frozen=True):
    """The copy of a file in another store, as known at `at`, in ms: `delivering`, `delivered`, or
    `failed`, which only a person's request retries. `target` is s3://bucket/name; `why` is the last
    attempt's error. For a playlist, `segments` and `copied_segments` count its segments; they are
    None before it is read, and for other files.
    """

    state: str
    target: str
    at: int
    copied_bytes: int = 0
    size_bytes: int | None = None
    why: str = ""
    segments: int | None = None
    copied_segments: int | None = None


class FileVerdict(Struct, frozen=True):
    """The result of verifying the file at `at`, in ms: `verified`, or a fault. `size_bytes` and
    `duration_ms` were read from the object; None if unknown. `copy` is None if the file is not
    copied elsewhere. `place` is the bucket that was read (name/endpoint), even if the policy names
    another one by now.
    """

    outcome: str
    at: int
    evidence: tuple[Finding, ...] = ()
    size_bytes: int | None = None
    duration_ms: int | None = None
    copy: FileCopy | None = None
    place: str = ""


class File(Struct, frozen=True):
    """A file that Live left; its recording ran from `start` to `stop`, by Live's clock.

    Times and `duration` are in ms; each is None if Live did not report it. `push_args` are the push
    URL's arguments that begin with `callback_`; a publisher uses them to link a file to an id of
    its own. `verdict` is None before verification.
    """

    uri: str
    start: int | None
    stop: int | None
    duration: int | None = None
    push_args: PushArgs = ()
    verdict: FileVerdict | None = None

    @property
    def place(self) -> str:
        """Return the bucket that holds the file (name/endpoint); "" for the one that the policy
        names now."""
        return self.verdict.place if self.verdict else ""

    def later(self, report: File) -> File:
        """Return the file after another report of it. A value in the new report replaces the old
        value."""
        return File(
            self.uri,
            self.start if report.start is None else report.start,
            self.stop if report.stop is None else report.stop,
            self.duration if report.duration is None else report.duration,
            report.push_args or self.push_args,
            self.verdict,
        )

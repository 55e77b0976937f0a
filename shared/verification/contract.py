"""The types of a verification: the file to check, the parts of it to read, and the verdict.

The callers of `verify` and the judges of each format use this module. It judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from enum import Enum
from typing import TypeVar

from msgspec import Struct

from shared.protocol.file import File

MAX_BYTES = 1_000_000
"""The most bytes that are read for one verdict, over all ranges."""
MAX_REQUESTS = 64
"""The most requests for one verdict; a request takes a few ms within the region."""
DURATION_TOLERANCE_MS = 2_000
"""How far the duration in the file may be from the reported one: only one of them counts the frames
before the first key frame, and the length of the last frame."""


class FileOutcome(str, Enum):
    """The verdict on a file.

    TRUNCATED: the file is not whole, but a part of it plays. UNPLAYABLE: its pictures or its sound
    cannot be played at all. UNKNOWN: nothing can be said about it, or not yet.
    """

    VERIFIED = "verified"
    MISSING = "missing"
    TRUNCATED = "truncated"
    UNPLAYABLE = "unplayable"
    DURATION_DIFFERS = "duration_differs"
    UNKNOWN = "unknown"


class EvidenceCode(str, Enum):
    """A kind of evidence in a file. The text below a code names the numbers of its Evidence."""

    NO_OBJECT = "no_object"
    ACCESS_DENIED = "access_denied"
    IN_VOD = "in_vod"
    NOT_NAMED_BY_POLICY = "not_named_by_policy"
    """Nothing was read: the object may belong to somebody else."""
    UNKNOWN_FORMAT = "unknown_format"
    TOO_LARGE = "too_large"
    """read_bytes: the limits did not allow to read enough of it."""
    CHANGED_WHILE_READING = "changed_while_reading"
    """at_byte: the object ended before its size."""
    EMPTY = "empty"
    SMALLER_THAN_REPORTED = "smaller_than_reported"
    """size_bytes, reported_bytes"""
    LARGER_THAN_REPORTED = "larger_than_reported"
    """size_bytes, reported_bytes"""
    NOT_THIS_FORMAT = "not_this_format"
    """The file does not begin as its name says."""
    BROKEN_STRUCTURE = "broken_structure"
    """at_byte"""
    ENDS_INSIDE = "ends_inside"
    """at_byte, missing_bytes: the tag, box or packet at this byte is not complete; missing_bytes is
    0 if the number is unknown."""
    NO_INDEX = "no_index"
    """An MP4 file without its moov box."""
    NO_SAMPLES = "no_samples"
    NO_FRAMES = "no_frames"
    NO_DECODER_CONFIG = "no_decoder_config"
    NO_PROGRAM = "no_program"
    """A TS segment without its tables (PAT and PMT)."""
    NO_KEY_FRAME = "no_key_frame"
    LATE_KEY_FRAME = "late_key_frame"
    """late_ms: how long the picture is missing at the beginning; no fault."""
    FRAGMENTED = "fragmented"
    """A fragmented MP4 file, or a playlist whose segments are not whole, plain objects; neither is
    judged."""
    TIMESTAMPS_RUN_BACK = "timestamps_run_back"
    """first_ms, last_ms"""
    MEDIA_DURATION = "media_duration"
    """duration_ms, reported_ms: the duration in the file, and the one that Live reported."""
    DURATION_NOT_REPORTED = "duration_not_reported"
    """duration_ms: Live reported none to compare with; no fault."""
    NO_END_LIST = "no_end_list"
    NO_SEGMENTS = "no_segments"
    SEGMENT_ABSENT = "segment_absent"
    """segment, segments: the number of the first absent one, from 1, and how many there are."""
    SEGMENT_EMPTY = "segment_empty"
    """segment, segments"""
    SEGMENT_BROKEN = "segment_broken"
    """segment, segments, at_byte"""
    SEGMENT_ELSEWHERE = "segment_elsewhere"
    """segment: its address is not in this bucket."""
    SEGMENTS_CHECKED = "segments_checked"
    """segments, checked: the number of segments whose size was checked; no fault."""
    SPAN_DIFFERS = "span_differs"
    """duration_ms, span_ms: the playlist's sum, and the time between the first and last frame."""


class Evidence(Struct, frozen=True):
    """One finding about a file: a code and its numbers. The name of a number gives its unit; the
    text below each code in `EvidenceCode` lists the numbers."""

    code: EvidenceCode
    numbers: Mapping[str, int] = {}


MAX_NUMBER = (1 << 53) - 1
"""The largest number of an Evidence, which every JSON reader can hold. A file may contain larger
ones."""


def evidence(code: EvidenceCode, **numbers: int) -> Evidence:
    return Evidence(code, {name: min(number, MAX_NUMBER) for name, number in numbers.items()})


class ExpectedFile(Struct, frozen=True):
    """A file to verify, with what Live reported of it; None stands for a value that Live did not
    report.

    `bucket` is the name of the file's bucket. A playlist needs it, because it may name its segments
    by full addresses.
    """

    uri: str
    duration_ms: int | None = None
    size_bytes: int | None = None
    bucket: str = ""

    @classmethod
    def of(cls, file: File, bucket: str = "") -> ExpectedFile:
        """Return what to expect of a file, by the name and the duration that Live's callback gave.
        The file's times `start` and `stop` are left out: they may span a pause, and need not agree
        with the duration (docs/platform/live.md §4)."""
        return cls(file.uri, file.duration, None, bucket)


class Verdict(Struct, frozen=True):
    """The result of a verification. `size_bytes` and `duration_ms` were read from the object; None
    if unknown.

    `is_final` is False if a later verification may say more: the object may still come, or access
    may be granted.
    """

    outcome: FileOutcome
    evidence: tuple[Evidence, ...] = ()
    size_bytes: int | None = None
    duration_ms: int | None = None
    is_final: bool = True


class Stat(Struct, frozen=True):
    """Ask for the size of an object, in bytes."""

    uri: str


class ReadRange(Struct, frozen=True):
    """Ask for `length` bytes of an object from byte `start` on."""

    uri: str
    start: int
    length: int


class NoAnswer(Enum):
    """The answer to a request if there are no bytes and no size: no such object, or no access to
    it."""

    ABSENT = "absent"
    DENIED = "denied"


ABSENT, DENIED = NoAnswer.ABSENT, NoAnswer.DENIED
Request = Stat | ReadRange
Answer = int | bytes | NoAnswer
Result = TypeVar("Result")
Steps = Generator[Request, Answer, Result]
"""A part of a verification: it yields requests, is sent answers, and returns a Result."""


class Media(Struct, frozen=True):
    """What was found out about a playable file: its duration, and findings (`notes`) that are no
    fault."""

    duration_ms: int
    notes: tuple[Evidence, ...] = ()


class Concluded(Exception):
    """A finding that ends the verification. It is caught within `verify`."""

    def __init__(self, outcome: FileOutcome, code: EvidenceCode, **numbers: int) -> None:
        super().__init__(outcome.value, code.value)
        self.outcome = outcome
        self.evidence = evidence(code, **numbers)

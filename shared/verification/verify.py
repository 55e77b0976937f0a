"""Verifies one file, whatever its format.

It knows no format itself: the ending of the name chooses the judge.
"""

from __future__ import annotations

from shared.protocol.file import VOD
from shared.verification.contract import (
    DURATION_TOLERANCE_MS,
    MAX_NUMBER,
    Concluded,
    Evidence,
    EvidenceCode,
    ExpectedFile,
    FileOutcome,
    Media,
    Steps,
    Verdict,
    evidence,
)
from shared.verification.flv import judge_flv
from shared.verification.mp4 import judge_mp4
from shared.verification.playlist import judge_playlist
from shared.verification.ranges import Limits, Ranges

_MAY_CHANGE = frozenset(
    {
        EvidenceCode.NO_OBJECT,
        EvidenceCode.ACCESS_DENIED,
        EvidenceCode.CHANGED_WHILE_READING,
        EvidenceCode.SEGMENT_ABSENT,
        EvidenceCode.NO_END_LIST,
    }
)
"""Findings that may change soon: an object may still come, a permission be given, a file be
completed."""


def verify(expected: ExpectedFile) -> Steps[Verdict]:
    """Return the verdict on a file; yield each request for its size or its bytes. Raise nothing."""
    limits, size = Limits(), None
    try:
        size = yield from _size(expected, limits)
        media = yield from _judge(expected, limits, size)
    except Concluded as found:
        is_final = found.evidence.code not in _MAY_CHANGE
        return Verdict(found.outcome, (found.evidence,), size, is_final=is_final)
    return _compared(expected, size, media)


def _size(expected: ExpectedFile, limits: Limits) -> Steps[int]:
    """Return the size of the object in bytes. Raise Concluded if there is no object, or if it is
    empty."""
    if expected.uri.startswith(VOD):
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.IN_VOD)
    size = yield from limits.size_of(expected.uri)
    if size is None:
        raise Concluded(FileOutcome.MISSING, EvidenceCode.NO_OBJECT)
    if size == 0:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.EMPTY)
    return size


def _judge(expected: ExpectedFile, limits: Limits, size: int) -> Steps[Media]:
    """Return the contents of the file, judged by the ending of its name; raise Concluded if it is
    faulty."""
    file, ending = Ranges(limits, expected.uri, size), expected.uri.rpartition(".")[2].lower()
    if ending == "flv":
        return (yield from judge_flv(file))
    if ending == "mp4":
        return (yield from judge_mp4(file))
    if ending == "m3u8":
        return (yield from judge_playlist(file, limits, expected))
    raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.UNKNOWN_FORMAT)


def _compared(expected: ExpectedFile, size: int, media: Media) -> Verdict:
    """Return the verdict on a playable file, by comparing it with Live's report."""
    outcome, sizes = _by_size(expected.size_bytes, size)
    duration, reported = min(media.duration_ms, MAX_NUMBER), expected.duration_ms
    if reported is None:
        times = evidence(EvidenceCode.DURATION_NOT_REPORTED, duration_ms=duration)
    else:
        numbers = {"duration_ms": duration, "reported_ms": reported}
        times = evidence(EvidenceCode.MEDIA_DURATION, **numbers)
        is_near = abs(duration - reported) <= DURATION_TOLERANCE_MS
        if not is_near and outcome is FileOutcome.VERIFIED:
            outcome = FileOutcome.DURATION_DIFFERS
    return Verdict(outcome, (*sizes, times, *media.notes), size, duration)


def _by_size(reported: int | None, size: int) -> tuple[FileOutcome, tuple[Evidence, ...]]:
    if reported is None or reported == size:
        return FileOutcome.VERIFIED, ()
    numbers = {"size_bytes": size, "reported_bytes": reported}
    if size < reported:
        return FileOutcome.TRUNCATED, (evidence(EvidenceCode.SMALLER_THAN_REPORTED, **numbers),)
    return FileOutcome.VERIFIED, (evidence(EvidenceCode.LARGER_THAN_REPORTED, **numbers),)

"""Judges an M3U8 file: the playlist, the sizes of its segments, and its first and last segment.

verify.py calls this module. It asks for the sizes of at most CHECKED_SEGMENTS segments, and reads
no segment but the first and the last.
"""

from __future__ import annotations

from shared.verification.contract import (
    DURATION_TOLERANCE_MS,
    Concluded,
    EvidenceCode,
    ExpectedFile,
    FileOutcome,
    Media,
    Steps,
    evidence,
)
from shared.verification.media_playlist import (
    MAX_PLAYLIST_BYTES,
    MediaPlaylist,
    parse_playlist,
    segment_uri,
)
from shared.verification.mpeg_ts import PACKET_BYTES, Packets, span_ms
from shared.verification.ranges import Limits, Ranges

CHECKED_SEGMENTS = 40
"""Segments of a longer playlist that are checked: evenly spaced, with the first and the last."""
HEAD_PACKETS, TAIL_PACKETS = 700, 1_400


def judge_playlist(file: Ranges, limits: Limits, expected: ExpectedFile) -> Steps[Media]:
    """Return the duration of a playlist, with findings that are no fault (`Media`). Raise Concluded
    if the playlist or a segment is faulty, or if the playlist cannot be judged.

    Whether Live ends the playlist of a finished recording with ENDLIST is UNCONFIRMED. So a
    playlist without ENDLIST counts as whole if it is as long as Live reported.
    """
    uri, bucket = expected.uri, expected.bucket
    if file.size > MAX_PLAYLIST_BYTES:
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.TOO_LARGE, read_bytes=0)
    playlist = parse_playlist((yield from file.read(0, file.size)))
    _check_playlist(playlist)
    uris = [_uri_of(uri, segment.name, bucket, n) for n, segment in enumerate(playlist.segments, 1)]
    first, last = yield from _check_sizes(limits, uris)
    span = yield from _check_ends(first, last, len(uris))
    checked = min(len(uris), CHECKED_SEGMENTS)
    notes = [evidence(EvidenceCode.SEGMENTS_CHECKED, segments=len(uris), checked=checked)]
    if not playlist.has_end:
        if expected.duration_ms is None or not _is_near(playlist.duration_ms, expected.duration_ms):
            raise Concluded(FileOutcome.TRUNCATED, EvidenceCode.NO_END_LIST)
        notes.append(evidence(EvidenceCode.NO_END_LIST))
    if playlist.is_continuous and not _is_near(span, playlist.duration_ms):
        numbers = {"duration_ms": playlist.duration_ms, "span_ms": span}
        raise Concluded(FileOutcome.DURATION_DIFFERS, EvidenceCode.SPAN_DIFFERS, **numbers)
    return Media(playlist.duration_ms, tuple(notes))


def _is_near(one_ms: int, other_ms: int) -> bool:
    return abs(one_ms - other_ms) <= DURATION_TOLERANCE_MS


def _check_playlist(playlist: MediaPlaylist) -> None:
    if not playlist.is_playlist:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NOT_THIS_FORMAT)
    if not playlist.is_plain:
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.FRAGMENTED)
    if not playlist.segments:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_SEGMENTS)


def _uri_of(playlist: str, name: str, bucket: str, number: int) -> str:
    """Return the object of a segment; raise Concluded if it is not in the playlist's bucket."""
    found = segment_uri(playlist, name, bucket)
    if found is None:
        raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.SEGMENT_ELSEWHERE, segment=number)
    return found


def _check_sizes(limits: Limits, uris: list[str]) -> Steps[tuple[Ranges, Ranges]]:
    """Return the first and the last segment; raise Concluded if a size shows that a segment is not
    whole."""
    sizes: list[tuple[int, int | None]] = []
    for n in _spaced(len(uris)):
        sizes.append((n, (yield from limits.size_of(uris[n]))))  # noqa: PERF401 - as in mp4.py
    count = len(uris)
    _check_all(sizes, count, None, EvidenceCode.SEGMENT_ABSENT, FileOutcome.MISSING)
    _check_all(sizes, count, 0, EvidenceCode.SEGMENT_EMPTY, FileOutcome.UNPLAYABLE)
    for n, size in sizes:
        if size and size % PACKET_BYTES:
            raise _broken(n + 1, count, size, plays=True)
    (first, first_size), (last, last_size) = sizes[0], sizes[-1]
    one = Ranges(limits, uris[first], first_size or 0)
    return one, one if count == 1 else Ranges(limits, uris[last], last_size or 0)


def _check_all(
    sizes: list[tuple[int, int | None]],
    count: int,
    bad: int | None,
    code: EvidenceCode,
    of_all: FileOutcome,
) -> None:
    """Raise Concluded if a segment has the size `bad`; `of_all` is the outcome if all segments have
    that size."""
    found = [n + 1 for n, size in sizes if size == bad]
    if found:
        outcome = of_all if len(found) == len(sizes) else FileOutcome.TRUNCATED
        raise Concluded(outcome, code, segment=found[0], segments=count)


def _spaced(count: int) -> list[int]:
    """Return up to CHECKED_SEGMENTS evenly spaced numbers below `count`, including both ends."""
    if count <= CHECKED_SEGMENTS:
        return list(range(count))
    return [n * (count - 1) // (CHECKED_SEGMENTS - 1) for n in range(CHECKED_SEGMENTS)]


def _check_ends(first: Ranges, last: Ranges, count: int) -> Steps[int]:
    """Return the ms from the first frame to the end of the last one. Raise Concluded if
    one of the two cannot be read."""
    head = Packets((yield from first.read(0, HEAD_PACKETS * PACKET_BYTES)))
    if head.broken_at is not None or first.size < PACKET_BYTES:
        raise _broken(1, count, head.broken_at or 0, plays=bool(head.broken_at) or count > 1)
    if not head.has_tables:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_PROGRAM)
    start = max(last.size - TAIL_PACKETS * PACKET_BYTES, 0)
    tail = Packets((yield from last.read(start, last.size - start)))
    if tail.broken_at is not None:
        raise _broken(count, count, start + tail.broken_at, plays=True)
    span = span_ms(head, tail)
    if span is None:
        raise Concluded(FileOutcome.UNPLAYABLE, EvidenceCode.NO_FRAMES)
    return span


def _broken(segment: int, count: int, at: int, *, plays: bool) -> Concluded:
    outcome = FileOutcome.TRUNCATED if plays else FileOutcome.UNPLAYABLE
    numbers = {"segment": segment, "segments": count, "at_byte": at}
    return Concluded(outcome, EvidenceCode.SEGMENT_BROKEN, **numbers)

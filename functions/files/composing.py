"""Composes one playlist from the segments of all recordings of a stream.

playlist.py calls this module. It reads nothing, signs nothing, and knows neither clock nor bucket.

    wall clock    ├── session ──┤         ├── session ──────────────┤
    recorded       ├──────────┤            ├───────┤     ├─────────┤
    pieces         [..][..][..]            [..][..] gap  [..][..][.]
                               discontinuity        break
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

from msgspec import Struct

from shared.ledger.coverage import TOLERANCE_MS
from shared.ledger.spans import Span, merged, without

_GAP_URI = "gap.ts"
"""The URI of a missing segment. A player that knows EXT-X-GAP does not request it; any other gets a
404, and goes on."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


Sign = Callable[[str, str], str]
"""Returns the URL of an object, from its name and its bucket."""


class Slice(Struct, frozen=True):
    """A segment: the name of its object (`uri`), and its bucket (`place`). `follows_break`: its
    timestamps do not continue those of the segment before."""

    uri: str
    duration_ms: int
    follows_break: bool = False
    place: str = ""


class Recorded(Struct, frozen=True):
    """The segments of one file. `spans`: the times during which Live recorded the file; several if
    the recording paused."""

    spans: Sequence[Span]
    slices: Sequence[Slice]


class Piece(Struct, frozen=True):
    """An entry of the playlist: a segment, or a gap if `uri` is None. `span` is its time by Live's
    clock."""

    span: Span
    uri: str | None
    follows_break: bool
    place: str = ""


def lay_out(files: Iterable[Recorded], wanted: Iterable[Span], within: Span) -> list[Piece]:
    """Return the entries of the playlist for the period `within`, in time order. A segment that
    begins or ends outside the period is kept whole. Time in `wanted` that no segment covers becomes
    a gap, if it is longer than the tolerance."""
    slices = [piece for file in files for piece in _laid(file) if _meets(piece.span, within)]
    covered = [piece.span for piece in slices]
    holes = without(
        (Span(max(each.start, within.start), min(each.stop, within.stop)) for each in wanted),
        merged(covered),
    )
    gaps = [Piece(hole, None, follows_break=False) for hole in holes if hole.ms > TOLERANCE_MS]
    return sorted([*slices, *gaps], key=lambda piece: piece.span.start)


def _laid(file: Recorded) -> Iterator[Piece]:
    """Yield each segment with its time by Live's clock. A file's own timestamps do not stop while
    the recording pauses."""
    media_ms = 0
    for number, each in enumerate(file.slices):
        start = _wall_time(file.spans, media_ms)
        span = Span(start, start + each.duration_ms)
        follows_break = number == 0 or each.follows_break
        yield Piece(span, each.uri, follows_break, each.place)
        media_ms += each.duration_ms


def _wall_time(spans: Sequence[Span], media_ms: int) -> int:
    left_ms = media_ms
    for span in spans[:-1]:
        if left_ms < span.ms - TOLERANCE_MS:  # a pause is noted in whole seconds
            return span.start + left_ms
        left_ms = max(left_ms - span.ms, 0)
    return spans[-1].start + left_ms


def _meets(span: Span, within: Span) -> bool:
    return span.start < within.stop and span.stop > within.start


def written(pieces: Sequence[Piece], sign: Sign, notes: Iterable[str]) -> str:
    """Return the text of the playlist. `sign` returns the URL of each segment; `notes` become
    comments."""
    lengths_ms = [piece.span.ms for piece in pieces if piece.uri is not None]
    target_s = max(math.ceil(max(lengths_ms, default=0) / 1000), 1)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{target_s}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        *(f"# {_one_line(note)}" for note in notes),
    ]
    next_at: int | None = None
    for number, piece in enumerate(pieces):
        lines += _breaks(piece, next_at, is_first=number == 0)
        lines += _missing(piece, target_s * 1000) if piece.uri is None else _segment(piece, sign)
        next_at = piece.span.stop if piece.uri else None
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _breaks(piece: Piece, next_at: int | None, *, is_first: bool) -> Iterator[str]:
    """Yield the tags before an entry. The entry gets a date at the beginning of the playlist, after
    a discontinuity, where time jumps, and after a gap, because some players do not count gaps."""
    if piece.follows_break and not is_first:
        yield "#EXT-X-DISCONTINUITY"
    if piece.follows_break or piece.span.start != next_at:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(piece.span.start)}"


def _segment(piece: Piece, sign: Sign) -> Iterator[str]:
    yield f"#EXTINF:{piece.span.ms / 1000:.3f},"
    yield sign(piece.uri or "", piece.place)


def _missing(piece: Piece, longest_ms: int) -> Iterator[str]:
    """Yield a gap in parts, each no longer than a segment may be."""
    for start in range(piece.span.start, piece.span.stop, longest_ms):
        length_ms = min(longest_ms, piece.span.stop - start)
        yield from ("#EXT-X-GAP", f"#EXTINF:{length_ms / 1000:.3f},", _GAP_URI)


def _date_time(at: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _one_line(note: str) -> str:
    """Return the note on one line. A note repeats the name of a file: with a captured signature,
    anybody could report a name that holds a line break and a segment of his own."""
    return "".join(each if each.isprintable() else "\ufffd" for each in note)

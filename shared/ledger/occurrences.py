"""Divides the coverage of a stream among the occurrences of schedules.

The API, and the function `files` for playlists, use this module.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter, itemgetter

from msgspec import Struct

from shared.ledger.coverage import TOLERANCE_MS, Coverage, ratio_of, spans_between
from shared.ledger.edges import Edge, EdgeKind, occurrence_of, schedule_of
from shared.ledger.spans import Span, common, merged


class OccurrencePart(Struct, frozen=True):
    """The coverage of one occurrence. `span` is the time that belongs to it; `due_ms` is how long
    the stream was live and wanted in that time, `missing_ms` how much of this was not recorded, and
    `covered_ms` how much was.
    """

    occurrence: str
    span: Span
    due_ms: int
    missing_ms: int
    covered_ms: int

    @property
    def schedule(self) -> str:
        return schedule_of(self.occurrence)

    @property
    def ratio(self) -> float:
        return ratio_of(self.due_ms, self.missing_ms, self.covered_ms)


def occurrence_parts(
    found: Coverage, spans: Iterable[tuple[str, Span]]
) -> Iterator[OccurrencePart]:
    """Yield the coverage of each occurrence, in order of time. `spans` has the id and the span of
    each (`occurrence_spans`). Where two spans overlap, the time belongs to the earlier occurrence.
    Leave out the occurrences during which the stream was never both live and wanted."""
    due, gaps = common(found.live, found.wanted), [gap.span for gap in found.gaps]
    covered, taken_until = common(due, found.recorded), 0
    for name, span in sorted(spans, key=lambda each: each[1]):
        own = Span(max(span.start, taken_until), max(span.stop, taken_until))
        taken_until = own.stop
        due_ms = _ms_within(due, own)
        if due_ms:
            covered_ms = _ms_within(covered, own)
            yield OccurrencePart(name, own, due_ms, _ms_within(gaps, own), covered_ms)


def occurrence_spans(edges: Sequence[Edge], now: int) -> Mapping[str, Span]:
    """Return, by the id of an occurrence, the time that belongs to it: from its beginning to its
    end. If its show runs over, the time lasts until the stream is no longer wanted or the next
    occurrence begins. A show runs over if the stream is still wanted at the end of the occurrence,
    and became wanted during an occurrence."""
    noted = [(edge.at, *occurrence_of(edge)) for edge in edges if edge.kind is EdgeKind.OCCURRENCE]
    announced = dict[str, Span]()
    for at, name, _, ends_at in noted:
        announced[name] = Span(announced[name].start if name in announced else at, ends_at)
    asking = merged(Span(at - TOLERANCE_MS, ends_at) for at, _name, _starts, ends_at in noted)
    wanted = [
        each
        for each in spans_between(edges, EdgeKind.WANTED, EdgeKind.UNWANTED, now)
        if _span_at(asking, each.start) is not None
    ]
    begins = sorted((at, name) for at, name, *_ in noted)
    found = dict[str, Span]()
    for name, span in announced.items():
        over = _span_at(wanted, span.stop - 1)
        latest = max(_next_begin(begins, name, span.start, now), span.stop)
        stop = min(span.stop if over is None else over.stop, latest, max(now, span.start))
        found[name] = Span(span.start, stop)
    return found


def _next_begin(begins: Sequence[tuple[int, str]], name: str, start: int, now: int) -> int:
    """Return when the next occurrence with another name begins; now if there is none."""
    later = islice(begins, bisect_right(begins, start, key=itemgetter(0)), None)
    return next((at for at, other in later if other != name), now)


def _span_at(spans: Sequence[Span], at: int) -> Span | None:
    """Return the span that contains a time. The spans are sorted and do not overlap."""
    place = bisect_right(spans, at, key=_start) - 1
    return spans[place] if place >= 0 and at < spans[place].stop else None


def _ms_within(spans: Sequence[Span], stretch: Span) -> int:
    """Return how many ms of a span lie within the others, which are sorted and do not overlap."""
    first = bisect_right(spans, stretch.start, key=_stop)
    there = spans[first : bisect_left(spans, stretch.stop, key=_start)]
    return sum(min(span.stop, stretch.stop) - max(span.start, stretch.start) for span in there)


_start, _stop = attrgetter("start"), attrgetter("stop")

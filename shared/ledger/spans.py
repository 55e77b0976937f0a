"""Arithmetic with spans of time, in ms since the epoch. A span's start belongs to it, its stop does
not.

The rest of the ledger uses this module. It knows nothing of streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Span(Struct, frozen=True, order=True):
    """The time from `start` until just before `stop`, in ms since the epoch."""

    start: int
    stop: int

    @property
    def ms(self) -> int:
        return self.stop - self.start


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans sorted and without empty ones. Spans that touch or overlap are joined."""
    found: list[Span] = []
    for span in sorted(spans):
        if span.stop <= span.start:
            continue
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return found


def common(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return the time that is in `some` and also in `others`, as sorted spans."""
    ours, theirs = merged(some), merged(others)
    found, place = list[Span](), 0
    for span in ours:
        while place < len(theirs) and theirs[place].stop <= span.start:
            place += 1
        for other in theirs[place:]:
            if other.start >= span.stop:
                break
            found.append(Span(max(span.start, other.start), min(span.stop, other.stop)))
    return found


def without(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return the time that is in `some` and not in `others`, as sorted spans."""
    found = list[Span]()
    theirs = merged(others)
    for span in merged(some):
        begin = span.start
        for hole in common([span], theirs):
            found.append(Span(begin, hole.start))
            begin = hole.stop
        found.append(Span(begin, span.stop))
    return merged(found)


def total_ms(spans: Sequence[Span]) -> int:
    return sum(span.ms for span in merged(spans))

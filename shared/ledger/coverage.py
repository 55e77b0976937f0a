"""Computes which parts of a stream were recorded, and which are missing.

It uses the stream's files and edges (the changes noted in the ledger). The API calls it for each
stream that a request is about. No other module decides on tolerances, and on whether to believe
Live's clock or ours.

    wanted      ───────────────────────────────────────────
    live           ├───────────────────┤     ├──────────────
    recorded       ·····├──────────┤···········├────────────
                   └──┘ start grace    └ gap   └ grace
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from shared.ledger.edges import Edge, EdgeKind, occurrence_of, schedule_of
from shared.ledger.spans import Span, common, merged, total_ms, without
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.stream import Command

START_GRACE_MS = 5_000
"""ms that a start may take before the time counts as missing; a publish callback comes about 2 s
late."""
TOLERANCE_MS = 2_000
"""A gap is longer than this, because Live reports whole seconds at both of its ends."""
FILE_LATE_MS = 900_000
"""ms after which an unreported file counts as missing. A file comes after the merge delay, and Live
may deliver a callback minutes later."""


class Gap(Struct, frozen=True):
    """A span in which the stream was wanted and live but not recorded, and the reason."""

    span: Span
    reason: HistoryEntry

    @property
    def ms(self) -> int:
        return self.span.ms


class Absence(Struct, frozen=True):
    """An occurrence of a schedule that was not recorded at all. `code` says why: the stream was
    never live, a person's stop barred the occurrence, or live-record came too late to begin it."""

    occurrence: str
    span: Span
    code: Reason

    @property
    def schedule(self) -> str:
        return schedule_of(self.occurrence)

    @property
    def reason(self) -> HistoryEntry:
        about = {"schedule": self.schedule, "occurrence": self.occurrence}
        return HistoryEntry(self.code, about)


class Coverage(Struct, frozen=True):
    """What was recorded in a period, and what is missing. Each list of spans is sorted and lies
    within the period.

    `due_ms`: how long the stream was both wanted and live. `covered_ms`: how much of that was
    recorded. `missing_ms`: the sum of the gaps. `latency_ms`: how long the starts took, at most
    START_GRACE_MS each. `due_ms` is the sum of `covered_ms`, `missing_ms`, `latency_ms` and of
    breaks that are too short to count as gaps (TOLERANCE_MS).
    """

    wanted: tuple[Span, ...]
    live: tuple[Span, ...]
    recorded: tuple[Span, ...]
    gaps: tuple[Gap, ...]
    absences: tuple[Absence, ...]
    due_ms: int
    covered_ms: int
    missing_ms: int
    latency_ms: int

    @property
    def ratio(self) -> float | None:
        """Return the part of `due_ms` that is not missing (`ratio_of`); None if nothing was due."""
        return ratio_of(self.due_ms, self.missing_ms, self.covered_ms) if self.due_ms else None


def ratio_of(due_ms: int, missing_ms: int, covered_ms: int) -> float:
    """Return the part of `due_ms`, which is not 0, that is not missing, from 0 to 1. If something
    is missing and nothing was recorded (`covered_ms`), return 0, because the latency of the start
    was then not recorded either."""
    return 0.0 if missing_ms and not covered_ms else 1 - missing_ms / due_ms


def listed_period(
    files: Sequence[File], limit: int, *, kept_since: int, reported_at: int | None
) -> Span | None:
    """Return the period for which `files` is complete, so that it holds every file that Live has
    reported; None if there is no such period. `files` are the newest files of a stream, at most
    `limit`. Files from before `kept_since` may have been deleted. `reported_at` is when Live last
    reported a file of the application; if it is None, Live may have no URL for file callbacks."""
    if len(files) >= limit:
        kept_since = max(kept_since, min((_begin_of(file) for file in files), default=0))
    if reported_at is None or reported_at <= kept_since:
        return None
    return Span(kept_since, reported_at)


def coverage(
    edges: Sequence[Edge],
    files: Iterable[File],
    within: Span,
    now: int,
    listed: Span | None = None,
) -> Coverage:
    """Return the coverage of the period `within`, as known at `now`: the spans in which the stream
    was wanted, those in which it was live, those in which it was recorded, and those of which the
    recording is missing. `edges` are in the order in which they were noted. For the period
    `listed`, `files` is complete: it holds every file that Live has reported. None means that no
    such period is known (`listed_period`)."""
    within = Span(within.start, max(min(within.stop, now), within.start))
    wanted = spans_between(edges, EdgeKind.WANTED, EdgeKind.UNWANTED, now)
    sessions = spans_between(edges, EdgeKind.LIVE, EdgeKind.OFF, now)
    noted = spans_between(edges, EdgeKind.RECORDED, EdgeKind.NOT_RECORDED, now)
    filed = merged(span for file in files for span in _shown_by(file, noted))
    recorded = _corrected(noted, filed, listed, now)
    gaps, latency_ms = list[Gap](), 0
    for piece in _due(sessions, wanted):
        missing, latency = _missing(piece, recorded)
        latency_ms += total_ms(common(latency, [within]))
        for span in common(missing, [within]):
            gaps.append(Gap(span, _reason(span, piece, edges, noted)))
    due = common(_due(sessions, wanted), [within])
    return Coverage(
        wanted=tuple(common(wanted, [within])),
        live=tuple(_clipped(sessions, within)),
        recorded=tuple(common(recorded, [within])),
        gaps=tuple(gaps),
        absences=tuple(
            absence
            for absence in _absences(edges, sessions, recorded, now)
            if common([absence.span], [within])
        ),
        due_ms=total_ms(due),
        covered_ms=total_ms(common(due, recorded)),
        missing_ms=sum(gap.ms for gap in gaps),
        latency_ms=latency_ms,
    )


def _absences(
    edges: Sequence[Edge], live: Sequence[Span], recorded: Sequence[Span], now: int
) -> Iterator[Absence]:
    """Yield the occurrences of which nothing was recorded: those that are over, and those barred at
    their beginning. Only the last edge of each occurrence is used."""
    noted = dict[str, tuple[Span, Reason]]()
    for edge in edges:
        if edge.kind is EdgeKind.OCCURRENCE and edge.reason is not None:
            name, starts_at, ends_at = occurrence_of(edge)
            noted[name] = Span(starts_at, ends_at), edge.reason
    for name, (span, reason) in noted.items():
        is_barred = reason is not Reason.SCHEDULE_RECORDS
        is_there = common([span], recorded if is_barred else live)
        if not is_there and (is_barred or span.stop <= now):
            yield Absence(name, span, reason if is_barred else Reason.SCHEDULE_NOT_LIVE)


def spans_between(edges: Sequence[Edge], begins: EdgeKind, ends: EdgeKind, now: int) -> list[Span]:
    """Return the spans that begin at an edge of the kind `begins` and end at the next edge of
    either kind. The last span ends at `now` if it is still open. If the first edge of the two kinds
    is an end, its span begins at the first edge of the ledger. An edge that was noted late changes
    no closed span; it can only move the beginning of the open span to an earlier time."""
    found, last = list[Span](), 0
    ours = [edge for edge in edges if edge.kind in (begins, ends)]
    begun = edges[0].at if ours and ours[0].kind is ends else None
    for edge in ours:
        last = max(last, edge.at)
        if edge.kind is begins and begun is not None and edge.at < begun:
            begun = max(edge.at, found[-1].stop if found else edge.at)
            continue
        if begun is not None:
            found.append(Span(begun, last))
        begun = last if edge.kind is begins else None
    if begun is not None:
        found.append(Span(begun, max(now, begun)))
    return [span for span in found if span.ms > 0]


def spans_of_file(file: File, edges: Sequence[Edge], now: int) -> Sequence[Span]:
    """Return the spans in which the file was being recorded: several if the recording paused, none
    if Live reported too little about the file's times."""
    return _shown_by(file, spans_between(edges, EdgeKind.RECORDED, EdgeKind.NOT_RECORDED, now))


def _shown_by(file: File, noted: Sequence[Span]) -> Sequence[Span]:
    """Return when a file shows that the stream was recorded. A noted pause within the file's span
    is believed if the file is shorter than its span by that much.

        span      ├──────────────────────────┤
        noted    ····├───────┤     ├────────┤
        shown     ├──────────┤     ├─────────┤
    """
    span = _span_of(file)
    if span is None or file.duration is None or span.ms - file.duration <= TOLERANCE_MS:
        return () if span is None else (span,)
    holes = without([span], noted)
    pauses = [hole for hole in holes if span.start < hole.start and hole.stop < span.stop]
    return without([span], pauses)


def _span_of(file: File) -> Span | None:
    """Return when a file was recorded, from begin to end by Live's clock; None if Live reported too
    little."""
    start, stop, duration = file.start, file.stop, file.duration
    if start is None and stop is not None and duration:
        start = stop - duration
    if stop is None and start is not None and duration:
        stop = start + duration
    return None if start is None or stop is None else Span(start, stop)


def _corrected(noted: list[Span], filed: list[Span], listed: Span | None, now: int) -> list[Span]:
    """Return the spans that were recorded. Files correct the noted times. Noted time that no file
    covers is believed until the file would be late. A noted span without any file is believed for
    good if files of that time may be unknown: the file callback may not be configured, or the list
    may have been deleted.
    """
    found = list(filed)
    for span in noted:
        near = Span(span.start - START_GRACE_MS, span.stop + START_GRACE_MS)
        files = common(filed, [near])
        if files or _must_be_listed(span, listed):
            found += [hole for hole in without([span], files) if now - hole.stop < FILE_LATE_MS]
        else:
            found.append(span)
    return merged(found)


def _must_be_listed(span: Span, listed: Span | None) -> bool:
    """Return True if `listed` covers the span, and also the time by which Live would have reported
    the span's file."""
    # listed.start ── span.start ── span.stop ── its file is late ── another file: listed.stop
    if listed is None:
        return False
    return listed.start <= span.start and span.stop + FILE_LATE_MS < listed.stop


def _begin_of(file: File) -> int:
    return file.start or file.stop or 0


def _due(sessions: Sequence[Span], wanted: Sequence[Span]) -> list[Span]:
    """Return the spans that were live and wanted, one for each session, because each begins with a
    start."""
    return [piece for session in sessions for piece in common([session], wanted)]


def _missing(piece: Span, recorded: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Return the gaps of a span, and the time within the grace that the start took."""
    holes = without([piece], recorded)
    head = Span(piece.start, min(piece.start + START_GRACE_MS, piece.stop))
    latency = common([hole for hole in holes if hole.start == piece.start], [head])
    rest = without(holes, latency)
    return [hole for hole in rest if hole.ms > TOLERANCE_MS], latency


def _clipped(spans: Iterable[Span], within: Span) -> list[Span]:
    """Return the part of each span within the period. Spans that touch stay separate: they are
    sessions."""
    clipped = (Span(max(s.start, within.start), min(s.stop, within.stop)) for s in spans)
    return [span for span in clipped if span.ms > 0]


def _reason(gap: Span, piece: Span, edges: Sequence[Edge], noted: Sequence[Span]) -> HistoryEntry:
    """Return the reason of a gap. If live-record believed that Live recorded, the reason is that
    the files show the opposite. Otherwise the reason is the last obstacle noted since the last
    recording of the session.
    """
    if total_ms(common([gap], noted)) * 2 > gap.ms:
        return HistoryEntry(Reason.NO_FILE)
    noted_in = _causes_of(gap, piece, edges)
    last = _last_obstacle(edge for edge in noted_in if edge.reason is not Reason.QUEUED)
    if last is not None and last.reason is not None:
        code, command = last.code, Command.START.value
        about = {"command": command, "code": code, "what": code}
        return HistoryEntry(last.reason, about if code else {"command": command})
    if any(piece.start < span.stop <= gap.start for span in noted):
        is_late = not noted_in or noted_in[0].at - gap.start > START_GRACE_MS
        return HistoryEntry(Reason.MAY_HAVE_ENDED if is_late else Reason.QUEUED)
    return HistoryEntry(_reason_of_start(piece, edges, noted_in))


def _causes_of(gap: Span, piece: Span, edges: Sequence[Edge]) -> list[Edge]:
    """Return the causes that were noted in the session, after its last recording before the gap. An
    earlier cause delayed that recording, and does not explain the gap."""
    # piece.start ── cause ── RECORDED ── NOT_RECORDED: gap.start ── cause of the gap ── gap.stop
    found, since = list[Edge](), piece.start - START_GRACE_MS
    for edge in edges:
        if edge.kind is EdgeKind.RECORDED and since <= edge.at <= gap.start:
            found.clear()
        elif edge.kind is EdgeKind.CAUSE and edge.reason and since <= edge.at <= gap.stop:
            found.append(edge)
    return found


_DENIALS = (
    *(Reason.PAUSED, Reason.INTERRUPTED, Reason.RECORD_ERROR, Reason.MAY_HAVE_ENDED),
    *(Reason.NOT_FOUND, Reason.NOT_LIVE_YET, Reason.NOT_LIVE),
)
"""Reasons which show that a stream was not recorded, even if Live had accepted a start."""


def _last_obstacle(obstacles: Iterable[Edge]) -> Edge | None:
    """Return the last obstacle. An unconfirmed start stays the last one until an edge shows that
    nothing was recorded; a later failed start does not show that."""
    last: Edge | None = None
    for edge in obstacles:
        is_open = last is not None and last.reason is Reason.UNCONFIRMED
        if not is_open or edge.reason in _DENIALS:
            last = edge
    return last


def _reason_of_start(piece: Span, edges: Sequence[Edge], noted_in: Sequence[Edge]) -> Reason:
    """Return why a start without an obstacle took so long: its session was reported late, or the
    start waited for a slot."""
    begins_session = any(
        edge.kind is EdgeKind.LIVE and abs(edge.at - piece.start) <= START_GRACE_MS
        for edge in edges
    )
    is_late = not noted_in or noted_in[0].at - piece.start > START_GRACE_MS
    return Reason.DETECTED_LATE if begins_session and is_late else Reason.QUEUED

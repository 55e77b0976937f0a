"""Answers which parts of a stream were recorded and which are missing; for one stream, or for
all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from functions.record_command import representations
from functions.record_command.answers import (
    AbsenceView,
    CoverageView,
    FileCountsView,
    GapView,
    OccurrenceCoverageView,
    ReportView,
    SpanView,
)
from functions.record_command.queries import (
    CURSOR,
    SCAN_ROWS,
    cursor_after,
    cursor_for,
    domain_to_list,
    page_after,
    rows_of_page,
)
from functions.record_command.routes import ApiRequest
from shared.errors import Fault
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest
from shared.inbound.request_fields import LIMIT, Field, beginning, moment, stream_name, text
from shared.invocation.listed_files import read_files
from shared.ledger.coverage import Coverage, coverage
from shared.ledger.edges import Edge, schedule_of
from shared.ledger.occurrences import occurrence_parts, occurrence_spans
from shared.ledger.spans import Span
from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.schedule.schedule import readable
from shared.store.contract import DAY_MS, Filter
from shared.verification.contract import FileOutcome

DEFAULT_PAGE_ROWS = 50
"""Streams on a page if the query has no `limit`. Each stream takes a read of its own."""


_STRETCH: tuple[Field, ...] = (
    beginning(
        "the beginning of the period, as a time or as a duration before its end; if left out,"
        " `24h`",
        example="24h",
    ),
    replace(
        moment("to", "the end of the period; if left out, now"), example="2026-11-01T20:00:00Z"
    ),
)
COVERAGE = _STRETCH
REPORT: tuple[Field, ...] = (
    *_STRETCH,
    text("domain", "only streams of this domain", example="live.example.com"),
    stream_name("app", "only streams of this application", example="app"),
    LIMIT,
    CURSOR,
)


def of_stream(request: ApiRequest) -> Response:
    """Return the coverage of one stream. A stream that the stage has forgotten has coverage, too,
    because coverage is kept for longer."""
    return Response(200, _covered(request, request.stream, _stretch(request), _targets(request)))


def report(request: ApiRequest) -> Response:
    """Return one page of the coverage of all streams, in the order of their names, so that no
    stream moves to another page."""
    within = _stretch(request)
    rows, following = _page(request, within)
    return Response(200, ReportView(rfc3339(within.start), rfc3339(within.stop), rows, following))


def _stretch(request: ApiRequest) -> Span:
    """Return the period that the query asks for. The period ends now at the latest."""
    now = request.invocation.app.clock()
    stop = min(request.query.get("to", now), now)
    asked, counts_back = request.query.get("from", (DAY_MS, True))
    start = stop - asked if counts_back else asked
    if start >= stop:
        raise BadRequest([Fault("from", "is not before the end: write an earlier time")])
    return Span(start, stop)


def _page(request: ApiRequest, within: Span) -> tuple[list[CoverageView], str | None]:
    """Return the streams of this page that the token may see, and the cursor of the next page. The
    page is short if time runs out."""
    store, after = request.invocation.app.store, page_after(request)
    wanted = Filter(None, domain_to_list(request), request.query.get("app"))
    keys, last = rows_of_page(
        request,
        lambda last: store.accounts(wanted, after=last or after, limit=SCAN_ROWS),
        request.caller.may_reach,
        size=SCAN_ROWS,
        limit=request.query.get("limit", DEFAULT_PAGE_ROWS),
    )
    rows, targets = list[CoverageView](), _targets(request)
    for key in keys:
        if rows and not request.invocation.has_time():
            return rows, cursor_after(keys[len(rows) - 1])
        rows.append(_covered(request, key, within, targets))
    return rows, cursor_for(request, last) if last else None


def _targets(request: ApiRequest) -> Mapping[str, float]:
    """Return the percentage that each schedule with a target expects of its occurrences."""
    schedules = readable(request.invocation.app.store.schedules())
    targets = {name: stored.schedule.coverage_target for name, stored in schedules.items()}
    return {name: target for name, target in targets.items() if target is not None}


def _covered(
    request: ApiRequest, key: StreamKey, within: Span, targets: Mapping[str, float]
) -> CoverageView:
    app = request.invocation.app
    now, store, rule = app.clock(), app.store, app.policies.policy().rule(key)
    (files, listed), edges = read_files(app, key), store.edges(key)
    found = coverage(edges, files, within, now, listed)
    return CoverageView(
        stream=str(key),
        start=rfc3339(within.start),
        stop=rfc3339(within.stop),
        due_ms=found.due_ms,
        covered_ms=found.covered_ms,
        missing_ms=found.missing_ms,
        start_latency_ms=found.latency_ms,
        ratio=None if found.ratio is None else round(found.ratio, 6),
        live=_spans(found.live),
        recorded=_spans(found.recorded),
        gaps=_gaps(found, request),
        absences=_absences(found, request),
        files=_counts(file for file in files if _is_within(file, within)),
        coverage_target=rule.coverage_target,
        max_gap_ms=rule.max_gap,
        occurrences=_occurrences(found, edges, now, targets) if targets else (),
    )


def _occurrences(
    found: Coverage, edges: Sequence[Edge], now: int, targets: Mapping[str, float]
) -> list[OccurrenceCoverageView]:
    spans = occurrence_spans(edges, now).items()
    judged = ((name, span) for name, span in spans if schedule_of(name) in targets)
    return [
        OccurrenceCoverageView(
            part.schedule,
            part.occurrence,
            rfc3339(part.span.start),
            rfc3339(part.span.stop),
            part.due_ms,
            part.missing_ms,
            round(part.ratio, 6),
            targets[part.schedule],
        )
        for part in occurrence_parts(found, judged)
    ]


def _is_within(file: File, within: Span) -> bool:
    """Return True if the file was recorded within the period, as far as its times are known."""
    start, stop = file.start or file.stop, file.stop or file.start
    return start is not None and stop is not None and start < within.stop and stop > within.start


def _counts(files: Iterable[File]) -> FileCountsView:
    listed = list(files)
    found = Counter(file.verdict.outcome if file.verdict else _UNKNOWN for file in listed)
    verified, unknown = found[FileOutcome.VERIFIED.value], found[_UNKNOWN]
    reported = found.total()
    copies = [file.verdict.copy for file in listed if file.verdict and file.verdict.copy]
    delivered = sum(copy.state == _DELIVERED for copy in copies)
    wrong = reported - verified - unknown
    return FileCountsView(reported, verified, wrong, unknown, delivered, len(copies) - delivered)


_DELIVERED = "delivered"
_UNKNOWN = FileOutcome.UNKNOWN.value


def _spans(spans: Iterable[Span]) -> list[SpanView]:
    return [SpanView(rfc3339(span.start), rfc3339(span.stop), span.ms) for span in spans]


def _gaps(found: Coverage, request: ApiRequest) -> list[GapView]:
    return [
        GapView(
            rfc3339(gap.span.start),
            rfc3339(gap.span.stop),
            gap.ms,
            representations.reason(gap.reason, request.language),
        )
        for gap in found.gaps
    ]


def _absences(found: Coverage, request: ApiRequest) -> list[AbsenceView]:
    return [
        AbsenceView(
            rfc3339(absence.span.start),
            rfc3339(absence.span.stop),
            absence.span.ms,
            absence.schedule,
            absence.occurrence,
            representations.reason(absence.reason, request.language),
        )
        for absence in found.absences
    ]

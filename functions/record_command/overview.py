"""The operator's overview: first the streams that should be recorded and are not, then counts of
the rest.

GET /v1/overview answers with it, and the console polls it. It reads counters and indexes, so the
cost of a request does not depend on the number of streams.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from functions.record_command import alerts
from functions.record_command.answers import (
    OverviewCallerView,
    OverviewProblemView,
    OverviewQueueView,
    OverviewRowView,
    OverviewView,
    Severity,
    SeverityCounts,
    SuspensionView,
)
from functions.record_command.health import (
    RECONCILED,
    Facts,
    StageProblem,
    facts_of,
    problems_of,
    words_of,
)
from functions.record_command.representations import Shown, reason, shown_at, time
from functions.record_command.routes import ApiRequest
from functions.record_command.stream_views import phase_counts
from shared.config import mode_of
from shared.config.policy_cache import HEARTBEAT
from shared.config.tokens import SCOPES, Caller
from shared.inbound.catalogue import Language
from shared.inbound.function_compute import Response
from shared.inbound.request_fields import Field, text
from shared.invocation.app import App
from shared.protocol import Phase, StreamKey, StreamRecord, phase
from shared.protocol.derived.wrong import REPORTED_AFTER_MS, wrong_since
from shared.protocol.policy import Match
from shared.store.contract import Filter
from shared.store.store_errors import Unreadable

MAX_ROWS: Final = 200
"""Rows of one answer; `more` counts the others."""
MAX_ROWS_BYTES: Final = 80_000
"""Bytes of all rows together, as JSON; a stream's name may take hundreds."""
OWN_ROWS: Final = 500
"""Streams read at most for a token that is bound to some streams."""
PROBLEM_AGE_STEP_MS: Final = 30_000
"""A problem's age changes the version of the overview only this often."""
NOT_GREEN: Final = (Phase.FAILED, Phase.QUEUED, Phase.STARTING, Phase.UNMANAGED, Phase.STOPPING)
"""The phases whose streams get a row, in this order, after the streams that are being lost."""
_Row = StreamRecord | Unreadable

HEADERS: tuple[Field, ...] = (
    text(
        "If-None-Match",
        "the `ETag` of the previous answer; if nothing has changed since, the answer is 304",
        example='"8d6c1f2e9a7b4c30"',
    ),
)


class Streams(Struct, frozen=True):
    """The streams that the overview lists in `rows`, and the number of streams in each phase.
    `lost`: how many streams should be recorded and are not. `reported`: for how many of these that
    has lasted REPORTED_AFTER_MS, which is critical. `is_complete`: every stream was counted."""

    rows: Sequence[_Row]
    phases: Mapping[Phase, int]
    lost: int
    reported: int
    is_complete: bool = True


def overview(request: ApiRequest) -> Response:
    """Return the overview. If it has not changed since the answer whose ETag the request sends in
    If-None-Match, return 304 without a body."""
    app = request.invocation.app
    facts = facts_of(app, app.write_probe.result(), request.language)
    now, caller = app.store.now(), request.caller
    streams = _of_caller(app, caller, now) if caller.only else _of_stage(app, facts, now)
    shown = shown_at(request, now, app.store.continuity())
    view = _view(facts, streams, shown, caller)
    tag = f'"{view.version}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if _has_tag(request.headers.get("If-None-Match", ""), view.version):
        return Response(304, "", headers)
    return Response(200, view, headers)


def _has_tag(sent: str, version: str) -> bool:
    """Return True if the header names the version; a proxy may have marked it as weak."""
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in sent.split(","))
    return version in tags


def _of_stage(app: App, facts: Facts, now: int) -> Streams:
    """Read the first rows of the index of lost streams, then those of each phase in NOT_GREEN."""
    store = app.store
    found: dict[StreamKey, _Row] = {
        row.key: row.record
        for row in store.wrong(now, after=None, limit=MAX_ROWS)
        if _is_lost(row.record, now)
    }
    for each in NOT_GREEN:
        if len(found) < MAX_ROWS and facts.phases.get(each):
            rows = store.listed(Filter(each), after=None, limit=MAX_ROWS)
            found |= {row.key: row for row in rows if row.key not in found}
    lost, reported = store.wrong_count(0).count, store.wrong_count(REPORTED_AFTER_MS).count
    return Streams(list(found.values()), facts.phases, lost, reported)


def _is_lost(record: _Row, now: int) -> bool:
    """Return True if the stream is being lost according to its record: the index may have wrong
    rows of an earlier release. An unreadable record counts as lost."""
    if isinstance(record, Unreadable):
        return True
    since = wrong_since(record)
    return since is not None and since <= now


def _of_caller(app: App, caller: Caller, now: int) -> Streams:
    """Read the streams that the token may see, up to OWN_ROWS, and the lost ones among them."""
    found: dict[StreamKey, _Row] = {
        row.key: row.record
        for row in app.store.wrong(now, after=None, limit=OWN_ROWS)
        if caller.may_reach(row.key) and _is_lost(row.record, now)
    }
    read = list(islice(_own(app, caller), OWN_ROWS + 1))
    found |= {row.key: row for row in read[:OWN_ROWS] if row.key not in found}
    records = [row for row in found.values() if isinstance(row, StreamRecord)]
    waits = [now - (wrong_since(row) or now) for row in records if _is_lost(row, now)]
    return Streams(
        sorted(
            (row for row in found.values() if _has_row(row, now)), key=lambda row: _order(row, now)
        ),
        Counter(map(phase, records)),
        len(waits),
        sum(wait >= REPORTED_AFTER_MS for wait in waits),
        is_complete=len(read) <= OWN_ROWS,
    )


def _own(app: App, caller: Caller) -> Iterator[_Row]:
    """Yield the streams that the token may see, among the first OWN_ROWS + 1 streams of each domain
    and application that it names. If the token has a glob instead of a name, all domains or
    applications are read."""
    for wanted in dict.fromkeys(map(_filter_of, caller.only)):
        rows = app.store.listed(wanted, after=None, limit=OWN_ROWS + 1)
        yield from (row for row in rows if caller.may_reach(row.key))


def _filter_of(match: Match) -> Filter:
    domain, app = (None if _is_glob(each) else each for each in (match.domain, match.app))
    return Filter(None, domain and domain.lower(), app if domain else None)


def _is_glob(text: str) -> bool:
    return any(each in text for each in "*?[")


def _has_row(row: _Row, now: int) -> bool:
    return isinstance(row, Unreadable) or _is_lost(row, now) or phase(row) in NOT_GREEN


def _order(row: _Row, now: int) -> tuple[int, int, StreamKey]:
    """Return a sort key like that of the indexes: lost streams first, the longest lost at the top,
    then by phase."""
    if isinstance(row, Unreadable):
        return 0, 0, row.key
    if _is_lost(row, now):
        return 0, wrong_since(row) or 0, row.key
    return 1 + NOT_GREEN.index(phase(row)), 0, row.key


def _view(facts: Facts, streams: Streams, shown: Shown, caller: Caller) -> OverviewView:
    rows = list(_that_fit(_row(row, shown) for row in streams.rows[:MAX_ROWS]))
    unquiet = max(streams.lost, sum(streams.phases.get(each, 0) for each in NOT_GREEN))
    settings, ages = facts.app.settings, facts.ages
    problems = problems_of(facts)
    view = OverviewView(
        version="",
        at=time(shown.now) or "",
        stage=settings.stage,
        mode=mode_of(settings, facts.app.policy),
        caller=OverviewCallerView(
            caller.name,
            [scope for scope in SCOPES if scope in caller.scopes],
            list(map(str, caller.only)),
        ),
        severities=SeverityCounts(
            critical=streams.reported,
            warning=max(unquiet - streams.reported, 0),
            recording=streams.phases.get(Phase.RECORDING, 0),
            waiting=streams.phases.get(Phase.WAITING, 0),
            idle=streams.phases.get(Phase.IDLE, 0),
        ),
        complete=streams.is_complete,
        rows=rows,
        more=max(unquiet - len(rows), 0),
        phases=phase_counts(streams.phases),
        problems=[_problem(each, shown.language) for each in problems],
        alerts=None if caller.only else alerts.counts(facts.app.store),
        suspended=_suspended(facts.app),
        queue=OverviewQueueView(
            facts.queue.depth,
            _to_the_second(shown.now, facts.queue.oldest if facts.queue.depth else None),
        ),
        reconciled_at=_to_the_second(shown.now, ages.get(RECONCILED)),
        heartbeat_at=_to_the_second(shown.now, ages.get(HEARTBEAT)),
    )
    return replace(view, version=_version_of(view, problems))


def _suspended(app: App) -> SuspensionView | None:
    policy = app.policy
    suspended = policy.suspended
    if suspended is None or not policy.is_suspended(app.clock()):
        return None
    return SuspensionView(time(suspended.until) or "", suspended.who, suspended.note)


def _that_fit(rows: Iterable[OverviewRowView]) -> Iterator[OverviewRowView]:
    """Yield the first rows that together have at most MAX_ROWS_BYTES."""
    room = MAX_ROWS_BYTES
    for row in rows:
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            return
        yield row


def _row(row: _Row, shown: Shown) -> OverviewRowView:
    if isinstance(row, Unreadable):
        return OverviewRowView(stream=str(row.key), severity=Severity.CRITICAL, unreadable=True)
    found = shown.standing(row)
    wrong = found.wrong
    is_reported = wrong is not None and shown.now - wrong.since >= REPORTED_AFTER_MS
    return OverviewRowView(
        stream=str(row.key),
        severity=Severity.CRITICAL if is_reported else Severity.WARNING,
        phase=found.phase,
        since=time(found.since),
        lost_since=time(wrong.since) if wrong else None,
        reason=reason(wrong.reason if wrong else found.reason, shown.language),
        live=found.live,
        next_attempt_at=time(found.next_attempt_at),
        until=time(row.intent.until),
    )


def _problem(problem: StageProblem, language: Language) -> OverviewProblemView:
    words = words_of(problem, language)
    return OverviewProblemView(problem.code, words.text, words.fix, problem.stops_commands)


def _to_the_second(now: int, age_ms: int | None) -> str | None:
    """Return the time `age_ms` ago, in whole seconds; a finer time would change the version at
    every request."""
    return None if age_ms is None else time((now - age_ms) // 1000 * 1000)


def _version_of(view: OverviewView, problems: Sequence[StageProblem]) -> str:
    """Return a text that changes whenever the overview changes. The age of a problem changes the
    text only every PROBLEM_AGE_STEP_MS."""
    about = [(each.code, (each.age_ms or 0) // PROBLEM_AGE_STEP_MS) for each in problems]
    steady = replace(view, at="", problems=())
    return hashlib.sha256(msgspec.json.encode((steady, about))).hexdigest()[:16]

"""Reports whether the stage works: each of its problems, with a text and what to do about it.

It answers GET and HEAD /v1/health. These requests need no token, so no text names a stream or a
domain.

To add a problem:

1. Give it a code, and write its `text` and `fix` under `problems` in both files of
   shared/inbound/catalogue.
2. If the store raises it, make it a subclass of StoreUnavailable whose `problem` is the code.
   Otherwise yield a `StageProblem` from a function in `CHECKS`, which reads only `Facts`.
3. Add its case to tests/functions/test_health.py, which fails for a code without one.

The doctor and `live-record watch` show every problem that is listed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from functions.record_command.answers import (
    HealthView,
    NotRecordedView,
    OutboxView,
    RateLimitView,
    StageProblemView,
    StoreSizeView,
)
from functions.record_command.command_answers import ReasonView
from functions.record_command.routes import ApiRequest
from functions.record_command.stream_views import phase_counts
from shared.config import mode_of
from shared.config.policy_cache import (
    HEARTBEAT,
    HEARTBEAT_LOST,
    OTHER_STAGE,
    RELAY_LOST,
    WAKE_LOST,
)
from shared.engine.step_marks import (
    DRAIN,
    NOTIFY,
    REPLAY,
    RESYNC,
    began,
    ended,
    list_failed,
    list_read,
    unplanned_ms,
)
from shared.engine.unusable_names import UnusableNames, noted, totals
from shared.inbound.catalogue import Language, ProblemWords, problem_words, text
from shared.inbound.catalogue.details import about_in
from shared.inbound.function_compute import Response
from shared.inbound.request_fields import Field, switch
from shared.invocation.app import App
from shared.outbox import unset_receivers
from shared.outbox.endpoint import Endpoint, endpoint_of, note_of
from shared.outbox.task import DROPPED, OutboxState
from shared.protocol import HistoryEntry, Phase, Reason, StreamKey, StreamRecord
from shared.protocol.derived.explain import cause_of_delay
from shared.protocol.derived.wrong import (
    REPORTED_AFTER_MS,
    UNPROVED_MS,
    may_have_started,
    stopping_since,
    wrong_since,
)
from shared.protocol.durations import written
from shared.protocol.policy import Mode
from shared.store.contract import DAY_MS, Filter, Queue, RateLimitUse, Size
from shared.store.store_errors import StoreFull, StoreUnavailable
from shared.store.store_state import StoreState
from shared.store.write_probe import WriteResult

RECONCILED = began(DRAIN)
STALE_MS = 180_000
"""ms without a reconcile after which the stage counts as not ready."""
SILENT_MS = 90_000
"""ms without a run after which a timer counts as silent; it should run every minute."""
STUCK_MS = 120_000
"""ms by which a step's last begin may follow its last end; beyond that, the step counts as stuck.
"""
LOST_RECENTLY_MS = 120_000
"""ms for which a lost wake-up call is shown. A process reports one a minute at most."""
OTHER_STAGE_MS = 600_000
"""ms after a callback from another acting stage for which that stage counts as acting."""
BUSY_MS = 60_000
"""ms for which another process may keep this one from writing to the store."""
RECEIVER_LATE_MS = 600_000
"""ms that a webhook receiver may take nothing before health reports it."""
TASKS_LATE_MS = 300_000
"""ms that a task may be overdue. A killed run holds its tasks for a while, and the next run comes a
minute later."""
LEAST_ROOM_BYTES = 100_000
"""A store with less free space than this counts as full."""
CAUSES_ROWS = 100
"""How many streams are examined, the longest waiting first, for the most common cause."""
NEARLY_FULL_PERCENT = 80
FULL_SOON_MS = 7 * DAY_MS
DEGRADING = (
    "names_unusable",
    "not_recorded",
    "receivers_unset",
    "recording_unknown",
    "schedules_unplanned",
    "streams_quarantined",
)
"""Problems by which recordings, messages or copies are or may be lost although commands can be
sent."""


class StageProblem(Struct, frozen=True):
    """A problem of the stage. `about` has the values for the placeholders in the problem's texts.
    `age_ms` says for how long the problem has lasted; None if unknown. While a problem with
    `stops_commands` lasts, the stage is not ready, and the status is 503."""

    code: str
    about: Mapping[str, str | int] = field(default_factory=dict)
    age_ms: int | None = None
    stops_commands: bool = False


class Unshown(Struct, frozen=True):
    """How many streams have a start that Live has accepted, but not yet confirmed by a report that
    it records. `oldest_ms`: how long ago Live accepted the oldest of these starts. `is_all`: every
    such stream was counted."""

    count: int
    oldest_ms: int
    is_all: bool


class NotStopped(Struct, frozen=True):
    """How many streams have been stopping for longer than REPORTED_AFTER_MS. `oldest_ms`: for how
    long the first of them has been stopping. `cause`: the most common cause. `is_all`: every such
    stream was counted."""

    count: int
    oldest_ms: int
    cause: str
    is_all: bool


class Loss(Struct, frozen=True):
    """How many wanted and live streams are not recorded (the code `not_recorded`), or may not be
    (`recording_unknown`); for how long the first of them, and the most common cause."""

    code: str
    count: int
    oldest_ms: int
    cause: str


class Facts(Struct, frozen=True):
    """What the checks read: the state of the stage and its store at one moment. `ages` has the
    store's timestamps, such as that of the last reconcile, by name: how many ms ago each was set.
    """

    app: App
    write: WriteResult
    ages: Mapping[str, int]
    queue: Queue
    quarantined: int
    use: RateLimitUse
    phases: Mapping[Phase, int]
    state: StoreState
    size: Size | None
    not_recorded: NotRecordedView | None
    losses: Sequence[Loss]
    unusable: Sequence[UnusableNames]
    unset: Sequence[str]
    unshown: Unshown | None
    not_stopped: NotStopped | None
    outbox: OutboxState
    endpoints: Mapping[str, Endpoint]


Check = Callable[[Facts], Iterator[StageProblem]]


def store_takes_writes(facts: Facts) -> Iterator[StageProblem]:
    error, locked_ms = facts.write.error, facts.write.locked_ms
    if error is not None:
        yield _of_store(error)
    elif locked_ms > BUSY_MS:
        about = {"ago": written(locked_ms)}
        yield StageProblem("store_busy", about, locked_ms, stops_commands=True)


def store_has_room(facts: Facts) -> Iterator[StageProblem]:
    size = facts.size
    if size is None:
        return
    full_in = size.full_in_ms
    about: dict[str, str | int] = {"percent": int(100 * size.share), "left": written(full_in or 0)}
    if size.limit is not None and size.limit - size.used < LEAST_ROOM_BYTES:
        if not isinstance(facts.write.error, StoreFull):
            yield StageProblem(StoreFull.problem, about, stops_commands=True)
    elif full_in is not None and full_in < FULL_SOON_MS:
        yield StageProblem("store_full_soon", about)
    elif size.share * 100 > NEARLY_FULL_PERCENT:
        yield StageProblem("store_nearly_full", about)


def reconcile_runs(facts: Facts) -> Iterator[StageProblem]:
    """Report that the timer of `reconcile` does not run. In a new stage, `reconcile` may not have
    run yet. That is reported only if the stage is older than three minutes, or if a record has been
    due for more than three minutes."""
    age, oldest = facts.ages.get(RECONCILED), facts.queue.oldest
    known_ms = max(oldest, *facts.ages.values(), 0)
    if age is None and known_ms > STALE_MS:
        is_late = oldest > STALE_MS
        yield StageProblem("reconcile_never_ran", age_ms=known_ms, stops_commands=is_late)
    elif age is not None and age > SILENT_MS:
        about = {"ago": written(age)}
        yield StageProblem("reconcile_silent", about, age, stops_commands=age > STALE_MS)


def notify_runs(facts: Facts) -> Iterator[StageProblem]:
    """Report that the function `notify` no longer runs, so that nobody gets messages or webhooks.
    If it has never run, report nothing: an earlier release, which had no `notify`, may have
    deployed the stage."""
    age = facts.ages.get(began(NOTIFY))
    if age is not None and age > STALE_MS:
        yield StageProblem("notify_silent", {"ago": written(age)}, age)


def steps_run(facts: Facts) -> Iterator[StageProblem]:
    """Report each step of `reconcile` that has not begun for a while, or that has begun and not
    ended."""
    if facts.ages.get(RECONCILED, 0) > SILENT_MS:
        return  # reconcile_runs reports it
    for step in (DRAIN, RESYNC, REPLAY):
        ended_ago = facts.ages.get(ended(step))
        began_ago = facts.ages.get(began(step), ended_ago)
        if began_ago is None or ended_ago is None:
            continue
        if began_ago > SILENT_MS:
            blocks = step == RESYNC and began_ago > STALE_MS  # then nothing ends in time
            about = {"ago": written(began_ago)}
            yield StageProblem(f"{step}_silent", about, began_ago, stops_commands=blocks)
        elif ended_ago - began_ago > STUCK_MS:
            yield StageProblem(f"{step}_stuck", {"ago": written(ended_ago)}, ended_ago)


def online_lists_are_read(facts: Facts) -> Iterator[StageProblem]:
    """Report domains whose online list could not be read at the last try."""
    ages, domains = facts.ages, [domain.streaming for domain in facts.app.policy.domains]
    unread = [
        ages.get(list_read(domain), 0)
        for domain in domains
        if (failed := ages.get(list_failed(domain))) is not None
        and failed < ages.get(list_read(domain), failed + 1)
    ]
    if unread:
        about = {"count": len(unread), "domains": len(domains)}
        yield StageProblem("online_list_unreadable", about, max(unread) or None)


def streams_are_recorded(facts: Facts) -> Iterator[StageProblem]:
    """Report streams that are wanted and live but not recorded, and those of which nobody knows
    whether they are recorded, because Live's answer to their start was lost or unclear."""
    for loss in facts.losses:
        for_long = written(loss.oldest_ms)
        about: dict[str, str | int] = {"count": loss.count, "oldest": for_long}
        about["cause"] = loss.cause
        yield StageProblem(loss.code, about, loss.oldest_ms)


def names_are_usable(facts: Facts) -> Iterator[StageProblem]:
    """Report live streams that a rule should record, but whose names no command can contain."""
    if facts.unusable:
        count, age = totals(facts.unusable, facts.app.store.now())
        yield StageProblem("names_unusable", {"count": count, "oldest": written(age)}, age)


def starts_are_reported(facts: Facts) -> Iterator[StageProblem]:
    """Report starts that Live accepted without having reported a recording since. Some of these
    streams may be recorded all the same. If a later start shows that a stream was not recorded,
    `streams_are_recorded` reports it, and counts from the first start."""
    unshown = facts.unshown
    if unshown is not None:
        count = _count(unshown.count, is_all=unshown.is_all)
        about = {"count": count, "oldest": written(unshown.oldest_ms)}
        yield StageProblem("starts_unreported", about, unshown.oldest_ms)


def stops_are_carried_out(facts: Facts) -> Iterator[StageProblem]:
    """Report streams that should no longer be recorded, but whose stop Live has not carried out
    yet."""
    late = facts.not_stopped
    if late is not None:
        count = _count(late.count, is_all=late.is_all)
        about = {"count": count, "oldest": written(late.oldest_ms), "cause": late.cause}
        yield StageProblem("not_stopped", about, late.oldest_ms)


def _count(count: int, *, is_all: bool) -> str:
    return f"{count}{'' if is_all else '+'}"


def streams_are_handled(facts: Facts) -> Iterator[StageProblem]:
    """Report streams whose handling crashes, or whose record cannot be read."""
    if facts.quarantined:
        yield StageProblem("streams_quarantined", {"count": facts.quarantined})


def tasks_are_done(facts: Facts) -> Iterator[StageProblem]:
    """Report tasks that are overdue, that have failed for good, or that were dropped because too
    many tasks were open."""
    outbox, dropped_ago = facts.outbox, facts.ages.get(DROPPED)
    if outbox.oldest_ms > TASKS_LATE_MS:
        about: dict[str, str | int] = {"count": outbox.open, "ago": written(outbox.oldest_ms)}
        yield StageProblem("tasks_late", about, outbox.oldest_ms)
    if outbox.dead:
        yield StageProblem("tasks_dead", {"count": outbox.dead})
    if dropped_ago is not None and dropped_ago < DAY_MS:
        yield StageProblem("tasks_dropped", {"count": outbox.dropped, "ago": written(dropped_ago)})


def receivers_take_events(facts: Facts) -> Iterator[StageProblem]:
    """Report each webhook receiver that has accepted no event since an attempt failed more than
    RECEIVER_LATE_MS ago. Also report each receiver to which no more events are sent, because it was
    paused or has ended."""
    for name, endpoint in facts.endpoints.items():
        about: dict[str, str | int] = {"name": name, "why": endpoint.why}
        if not endpoint.is_open:
            yield StageProblem("webhook_closed", {**about, "state": endpoint.phase.value})
        elif (since := endpoint.failing_since) is not None:
            age = max(facts.app.store.now() - since, 0)
            if age > RECEIVER_LATE_MS:
                yield StageProblem("webhook_failing", {**about, "ago": written(age)}, age)


def receivers_are_set(facts: Facts) -> Iterator[StageProblem]:
    """Report robots, secrets and access keys that the policy names and the settings lack."""
    if facts.unset:
        yield StageProblem("receivers_unset", {"names": ", ".join(facts.unset)})


def policy_is_read(facts: Facts) -> Iterator[StageProblem]:
    """Report a stored policy that this release cannot read."""
    if facts.app.policies.is_refused:
        yield StageProblem("policy_unreadable", {"version": facts.app.policies.version})


def schedules_are_planned(facts: Facts) -> Iterator[StageProblem]:
    """Report schedules that reconcile cannot plan, for example because a later release wrote
    them."""
    age = unplanned_ms(facts.ages)
    if age is not None:
        yield StageProblem("schedules_unplanned", {"ago": written(age)}, age)


def sends_commands(facts: Facts) -> Iterator[StageProblem]:
    """Report that the stage only observes. The stage is still ready, because somebody chose that
    mode."""
    if mode_of(facts.app.settings, facts.app.policy) is Mode.OBSERVE:
        yield StageProblem("mode_observe")


def policy_starts_recordings(facts: Facts) -> Iterator[StageProblem]:
    """Report a policy whose rules are suspended."""
    suspended = facts.app.policy.suspended
    left_ms = suspended.until - facts.app.clock() if suspended else 0
    if left_ms > 0:
        minutes = -(-left_ms // 60_000)
        yield StageProblem("policy_suspended", {"left": written(minutes * 60_000)})


def store_is_ours(facts: Facts) -> Iterator[StageProblem]:
    """Report a store that was emptied, or that belongs to another stage."""
    expected, state = facts.app.settings.store_id, facts.state
    if state.is_foreign(expected):
        about = {"theirs": state.store_id or "-", "ours": expected}
        yield StageProblem("store_foreign", about, stops_commands=True)
    elif expected and state.store_id is None:
        emptied_at = state.emptied_at
        age = None if emptied_at is None else max(facts.app.store.now() - emptied_at, 0)
        yield StageProblem("store_emptied", {"ago": written(age or 0)}, age)


def wake_ups_arrive(facts: Facts) -> Iterator[StageProblem]:
    """Report that a wake-up call was lost recently, so that due commands wait for the timer."""
    age = facts.ages.get(WAKE_LOST)
    if age is not None and age < LOST_RECENTLY_MS:
        yield StageProblem("wake_unreachable", {"ago": written(age)})


def acts_alone(facts: Facts) -> Iterator[StageProblem]:
    """Report that another stage sends commands for the same streams, too. That stage says so in the
    callbacks that it forwards to this one."""
    age = facts.ages.get(OTHER_STAGE)
    if age is not None and age < OTHER_STAGE_MS:
        yield StageProblem("two_stages_act", {"ago": written(age)})


CHECKS: tuple[Check, ...] = (
    store_takes_writes,
    store_is_ours,
    store_has_room,
    reconcile_runs,
    notify_runs,
    steps_run,
    online_lists_are_read,
    streams_are_recorded,
    names_are_usable,
    starts_are_reported,
    stops_are_carried_out,
    streams_are_handled,
    tasks_are_done,
    receivers_take_events,
    receivers_are_set,
    policy_is_read,
    schedules_are_planned,
    wake_ups_arrive,
    acts_alone,
    sends_commands,
    policy_starts_recordings,
)


def _of_store(error: StoreUnavailable) -> StageProblem:
    return StageProblem(error.problem, error.about, stops_commands=True)


QUERY: tuple[Field, ...] = (
    switch(
        "strict",
        "`true`: the status is also 503 while some streams that are wanted and live are not"
        " recorded or possibly not recorded, or some streams cannot be handled, or some schedules"
        " cannot be planned, or the policy names receivers that the settings lack",
    ),
)


def health(request: ApiRequest) -> Response:
    """Return every problem of the stage. The status is 503 while a problem with `stops_commands`
    lasts. With `strict=true`, the status is also 503 while one of the problems in DEGRADING lasts.
    Otherwise it is 200."""
    app, language = request.invocation.app, request.language
    write = app.write_probe.result()
    try:
        facts = facts_of(app, write, language)
    except StoreUnavailable as error:
        problems = [_of_store(error)]
        view = _view(problems, language, "unavailable")
        return Response(_status(view, request), view)
    problems = problems_of(facts)
    view = _view(problems, language, "ok" if write.error is None else "unwritable")
    return Response(_status(view, request), _with_figures(view, facts))


def problems_of(facts: Facts) -> list[StageProblem]:
    """Return every problem that the checks find in the facts."""
    return [problem for check in CHECKS for problem in check(facts)]


def facts_of(app: App, write: WriteResult, language: Language) -> Facts:
    """Read the facts from the store, and add `write`, the result of the last try to write to the
    store. Raise StoreUnavailable if the store does not answer."""
    store = app.store
    app.policies.policy()  # read the policy, if the last read was long ago
    ages, phases = store.ages(), store.phases()
    not_recorded, losses = _not_recorded(app, language)
    counted = (store.queue(), store.quarantined(), store.rate_limit_use(), phases)
    return Facts(
        app,
        write,
        ages,
        *counted,
        state=store.state(),
        size=store.size(),
        not_recorded=not_recorded,
        losses=losses,
        unset=unset_receivers.noted(store),
        unusable=list(noted(store, (each.streaming for each in app.policy.domains), ages)),
        unshown=_unshown(app),
        not_stopped=_not_stopped(app, language) if phases.get(Phase.STOPPING) else None,
        outbox=store.outbox(),
        endpoints={
            hook.name: endpoint_of(hook.url, store.get_text(note_of(hook.name)))
            for hook in app.policy.webhooks
        },
    )


def _not_recorded(app: App, language: Language) -> tuple[NotRecordedView | None, Sequence[Loss]]:
    """Return how many streams have been wanted, live and not recorded for a while, and the most
    common cause among those that have waited longest. Rows that contradict their record do not
    count: an earlier release left them.
    """
    counted = app.store.wrong_count(REPORTED_AFTER_MS)
    if not counted.count:
        return None, ()
    now = app.store.now()
    rows = app.store.wrong(now - REPORTED_AFTER_MS, after=None, limit=CAUSES_ROWS)
    records = [row.record for row in rows if isinstance(row.record, StreamRecord)]
    lost = [record for record in records if wrong_since(record) is not None]
    count = counted.count - (len(records) - len(lost))
    if count <= 0 or not lost:
        return None, ()
    certain, unknown = list[StreamRecord](), list[StreamRecord]()
    for record in lost:
        (unknown if may_have_started(record) else certain).append(record)
    beyond = count - len(lost)  # not examined; they count as the certain ones, if there are any
    of_codes = {"not_recorded": certain, "recording_unknown": unknown}
    losses = [_loss(app, code, found, language) for code, found in of_codes.items() if found]
    losses[0] = replace(losses[0], count=losses[0].count + beyond)
    cause = _most_common(app, lost, "start")
    oldest_ms = max(loss.oldest_ms for loss in losses)
    reason = ReasonView(cause.code, text(cause, language))
    return NotRecordedView(count, oldest_ms, reason, len(unknown)), losses


def _loss(app: App, code: str, found: Sequence[StreamRecord], language: Language) -> Loss:
    """Return what health says of the records `found`, the longest lost first."""
    oldest_ms = max(app.store.now() - (wrong_since(found[0]) or 0), 0)
    cause = text(_most_common(app, found, "start"), language)
    return Loss(code, len(found), oldest_ms, cause)


def _unshown(app: App) -> Unshown | None:
    """Return how many streams wait for Live's report of an accepted start. A stream of a domain
    without such reports is left out; it is reported once it is wrong."""
    now, first = app.store.now(), StreamKey("", "", "")
    ahead = now + UNPROVED_MS - REPORTED_AFTER_MS
    rows = app.store.wrong(ahead, after=(now, first), limit=CAUSES_ROWS)
    records = [row.record for row in rows if isinstance(row.record, StreamRecord)]
    accepted_at = [
        record.confirmation.at
        for record in records
        if record.confirmation is not None
        and record.awaits_proof
        and app.stream_settings(record.key).status_known
    ]
    if not accepted_at:
        return None
    is_all = len(rows) < CAUSES_ROWS
    return Unshown(len(accepted_at), max(now - min(accepted_at), 0), is_all)


def _not_stopped(app: App, language: Language) -> NotStopped | None:
    """Return how many streams have been stopping for a while, and the most common cause. Only the
    first CAUSES_ROWS streams in this phase are read, ordered by name."""
    rows = app.store.listed(Filter(Phase.STOPPING), after=None, limit=CAUSES_ROWS)
    now = app.store.now()
    asked = [(row, stopping_since(row)) for row in rows if isinstance(row, StreamRecord)]
    late = [(record, now - at) for record, at in asked if at and now - at >= REPORTED_AFTER_MS]
    if not late:
        return None
    cause = _most_common(app, [record for record, _ in late], "stop")
    oldest_ms = max(age for _, age in late)
    return NotStopped(len(late), oldest_ms, text(cause, language), len(rows) < CAUSES_ROWS)


_Cause = tuple[Reason, tuple[tuple[str, str], ...]]
_PUBLIC = ("code", "what", "reason")
"""The particulars of a cause that name no stream, domain or person."""


def _cause_of(app: App, record: StreamRecord, now: int) -> _Cause:
    """Return why the stream is not recorded or not stopped, without naming the stream."""
    cause = cause_of_delay(record, now, app.stream_settings(record.key))
    return cause.code, tuple((name, str(cause.about.get(name, ""))) for name in _PUBLIC)


def _most_common(app: App, records: Sequence[StreamRecord], command: str) -> HistoryEntry:
    """Return the most common cause why these streams are not recorded or not stopped."""
    now = app.store.now()
    causes = Counter(_cause_of(app, record, now) for record in records)
    (code, about), _ = causes.most_common(1)[0]
    return HistoryEntry(code, {"command": command, "message": "", **dict(about)})


def _view(
    problems: Sequence[StageProblem],
    language: Language,
    store: Literal["ok", "unwritable", "unavailable"],
) -> HealthView:
    shown = [_shown(problem, language) for problem in problems]
    why = [problem.text for problem in shown if problem.stops_commands]
    is_degraded = any(problem.code in DEGRADING for problem in shown)
    status: Literal["ready", "degraded", "not_ready"] = (
        "not_ready" if why else "degraded" if is_degraded else "ready"
    )
    return HealthView(status=status, ready=not why, why=why, problems=shown, store=store)


def words_of(problem: StageProblem, language: Language) -> ProblemWords:
    """Return the texts of a problem: what is wrong, and what to do about it."""
    return problem_words(problem.code, about_in(language, problem.about), language)


def _shown(problem: StageProblem, language: Language) -> StageProblemView:
    words = words_of(problem, language)
    return StageProblemView(
        problem.code, words.text, words.fix, problem.age_ms, problem.stops_commands
    )


def _with_figures(view: HealthView, facts: Facts) -> HealthView:
    use, phases, size, outbox = facts.use, facts.phases, facts.size, facts.outbox
    return replace(
        view,
        store_size=size and StoreSizeView(size.used, size.limit, size.full_in_ms),
        written_ms_ago=facts.write.written_ms_ago,
        reconciled_ms_ago=facts.ages.get(RECONCILED),
        due=facts.queue.depth,
        oldest_due_ms=facts.queue.oldest,
        rate_limit=RateLimitView(rate=use.rate, used=round(use.used, 2), ahead_ms=round(use.ahead)),
        relay_lost_ms_ago=facts.ages.get(RELAY_LOST),
        heartbeat_ms_ago=facts.ages.get(HEARTBEAT),
        heartbeat_lost_ms_ago=facts.ages.get(HEARTBEAT_LOST),
        phases=phase_counts(phases),
        quarantined=facts.quarantined,
        not_recorded=facts.not_recorded,
        outbox=OutboxView(outbox.open, outbox.oldest_ms, outbox.dead, outbox.dropped),
    )


def _status(view: HealthView, request: ApiRequest) -> int:
    is_well = view.status == "ready" if request.query.get("strict") else view.ready
    return 200 if is_well else 503

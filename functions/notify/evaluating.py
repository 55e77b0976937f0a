"""Checks all alert conditions, updates the alerts, and queues the messages about them.

The function's run calls this module. shared/alerts decides what is wrong; this module reads the
facts that shared/alerts needs. Its cost does not grow with the number of healthy streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from functions.alert_events import alert_events
from functions.notify.wording import Wording
from shared.alerts.book import (
    MAX_ALERT_ENTRIES,
    AlertBook,
    CallbackWatch,
    CounterWatch,
    book_from_text,
    book_to_text,
    observed,
)
from shared.alerts.condition import Condition
from shared.alerts.conditions import (
    REHEARSAL_DUE_MS,
    WRONG_AHEAD_MS,
    ClosedReceiver,
    FailingTarget,
    Room,
    StageFacts,
    conditions,
    conditions_of_stage,
    live_at,
    missed_occurrences,
    none_live,
    not_rehearsed,
    not_stopped,
    occurrences_barred,
    scheduled_not_live,
    unmanaged,
    unverified,
)
from shared.alerts.messages import Message, messages
from shared.config import mode_of
from shared.decoding import Undecodable, decode
from shared.engine import counters
from shared.engine.counters import CallbackResult, OccurrenceResult
from shared.engine.schedule_planner import live_keys
from shared.engine.step_marks import unplanned_ms
from shared.engine.timer_watch import TIMERS
from shared.engine.unusable_names import noted, totals
from shared.invocation.app import App
from shared.invocation.invocation import Invocation
from shared.outbound.robots import cut
from shared.outbox.deliver_file import DeliverFile
from shared.outbox.endpoint import endpoint_of, note_of
from shared.outbox.message import MessageBody, message_task
from shared.outbox.task import DROPPED, NewTask, OutboxState, Task, TaskKind
from shared.outbox.unset_receivers import noted as noted_unset
from shared.outbox.verify_file import VerifyFile
from shared.protocol.derived.phase import Phase
from shared.protocol.derived.wrong import REPORTED_AFTER_MS
from shared.protocol.policy import ConditionCode, Mode
from shared.protocol.state.occurrence import Occurrence, TemporaryRule
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.schedule.rehearsal import last_rehearsal, rehearsal_note
from shared.schedule.schedule import (
    Expect,
    Schedule,
    StoredSchedule,
    keys_of,
    matches_of,
    one_of_each_application,
    readable,
)
from shared.store.contract import DAY_MS, Filter
from shared.store.store_errors import Unreadable

_Schedules = Mapping[str, StoredSchedule]
"""The schedules that this release can read, by id."""
_DELETED = Schedule("", (), start="", end="", timezone="")
"""Stands for a schedule that was deleted during its occurrence."""
MAX_TRY_CALLS = 3
"""How often to write the alerts again after another writer came first."""
PAGE_ROWS = 500
"""Rows read at once, of tasks or of streams."""
REST_S = 30.0
"""s of a call reserved for the last steps: storing the alerts and sending their messages."""
_ARRIVED = (
    CallbackResult.STORED,
    CallbackResult.UNCHANGED,
    CallbackResult.IGNORED,
    CallbackResult.FAILED,
)
"""The results of callbacks that arrived and came from Live."""
_BARRED = tuple(map(counters.occurrences, (OccurrenceResult.MISSED, OccurrenceResult.HELD)))
"""The counters of occurrences that were not recorded."""
_OF_BARRED = (ConditionCode.OCCURRENCE_MISSED.value, ConditionCode.OCCURRENCE_HELD.value)


def evaluate(invocation: Invocation) -> int:
    """Check the alert conditions, and store the alerts together with the messages and events about
    them. Return the number of messages. If another writer comes first at each try, store nothing
    and return 0."""
    app = invocation.app
    for _ in range(MAX_TRY_CALLS):
        copy, now = app.store.alerts(), app.store.now()
        before = _book(invocation, copy.text)
        found = _found(invocation, before, now)
        book = observed(found.watched, found.conditions, found.beyond, now)
        book, sending = messages(book, app.policy.notify, now)
        tasks = [
            *_tasks(app, sending, copy.version, now),
            *alert_events(app.policy, before, book, copy.version, now),
        ]
        dropped = app.store.put_alerts(book_to_text(book), replaces=copy.version, tasks=tasks)
        if dropped is not None:
            _log(invocation, before, book)
            return len(sending)
    return 0


def _book(invocation: Invocation, text: str) -> AlertBook:
    """Return the stored alerts; empty ones if they cannot be read, as after a rollback."""
    try:
        return book_from_text(text)
    except ValueError as error:
        invocation.log.warning("alerts.unreadable", error=error)
        return AlertBook()


def _tasks(app: App, sending: Sequence[Message], version: int, now: int) -> Sequence[NewTask]:
    stage = app.settings.stage
    bodies = [
        MessageBody(each.sink, cut(Wording(stage, each.language, now).text(each)))
        for each in sending
    ]
    return [message_task(body, version) for body in bodies]


def _log(invocation: Invocation, before: AlertBook, after: AlertBook) -> None:
    """Log each alert that was raised or resolved, once."""
    for name, alert in after.alerts.items():
        was_open = name in before.alerts and before.alerts[name].is_open
        if alert.is_open is not was_open:
            event = "alert.raised" if alert.is_open else "alert.resolved"
            about = {"condition": alert.code, "severity": alert.severity.value}
            invocation.log.info(event, id=name, subject=alert.subject, **about)


class _Found(Struct, frozen=True):
    """The conditions that hold now; by code, how many more hold (`beyond`); and the alerts before,
    with their watches updated."""

    conditions: Sequence[Condition]
    beyond: Mapping[str, int]
    watched: AlertBook


def _found(invocation: Invocation, book: AlertBook, now: int) -> _Found:
    app = invocation.app
    counted, outbox = app.store.counters(), app.store.outbox()
    watch, barred = _watch(counted, book, now), _barred(counted, book, now)
    dropped = _dropped(app, book, outbox, now)
    of_streams = list(_of_streams(app, now))
    lost = sum(one.code == ConditionCode.NOT_RECORDED.value for one in of_streams)
    beyond = app.store.wrong_count(REPORTED_AFTER_MS).count - lost if lost else 0
    schedules = readable(app.store.schedules())
    found = [
        *of_streams,
        *_of_stopping(app, now),
        *_of_schedules(app, schedules, now),
        *_of_files(app, now),
    ]
    suspects = schedules if _may_be_barred(app, barred, now) else {}
    of_barred, barred_from = _of_barred(invocation, suspects, book, now)
    found += of_barred
    found += _of_rehearsals(app, schedules, now)
    found += conditions_of_stage(_facts(app, watch, outbox, now))
    if any(rule.condition == ConditionCode.UNMANAGED.value for rule in app.policy.notify):
        found += _of_others(app)
    more = {ConditionCode.NOT_RECORDED.value: beyond} if beyond > 0 else {}
    book = replace(book, watch=watch, barred=barred, barred_from=barred_from, dropped=dropped)
    return _Found(found, more, book)


def _of_streams(app: App, now: int) -> Iterator[Condition]:
    """Yield a condition for each stream that is wrong. Read only the index of streams that are
    wrong or will be soon."""
    continuity = app.store.continuity()
    for row in app.store.wrong(now + WRONG_AHEAD_MS, after=None, limit=MAX_ALERT_ENTRIES):
        if isinstance(row.record, StreamRecord):
            settings = app.stream_settings(row.key)
            yield from conditions(row.record, settings, now, continuity)


def _of_stopping(app: App, now: int) -> Iterator[Condition]:
    """Yield a condition for each stream whose stop Live has not accepted for a while, up to
    PAGE_ROWS."""
    continuity = app.store.continuity()
    for record in app.store.listed(Filter(Phase.STOPPING), after=None, limit=PAGE_ROWS):
        if isinstance(record, StreamRecord):
            yield from not_stopped(record, app.stream_settings(record.key), now, continuity)


def _of_files(app: App, now: int) -> Iterator[Condition]:
    """Yield one condition for each stream with an unverified file."""
    seen: set[str] = set()
    for task in app.store.open_of_kind(TaskKind.VERIFY_FILE.value, limit=PAGE_ROWS):
        for one in unverified(task.stream, _uri(task), task.made_at, now, task.why):
            if one.id not in seen:
                yield one
            seen.add(one.id)


def _of_schedules(app: App, schedules: _Schedules, now: int) -> Iterator[Condition]:
    """Yield a condition for each stream that a schedule wants and that is not live. If the schedule
    needs only one of its streams, or has patterns, yield one condition for all, and none while one
    is live."""
    others_live_at, came_at = dict[str, int](), dict[str, int]()
    for record in _waiting(app) if schedules else ():
        stored = schedules.get(record.intent.who)
        schedule = stored.schedule if stored else _DELETED
        if schedule.is_by_pattern:
            came_at[schedule.id] = max(came_at.get(schedule.id, 0), live_at(record, now))
            continue
        is_any = schedule.expect is Expect.ANY
        if is_any and schedule.id not in others_live_at:
            others_live_at[schedule.id] = _live_at(app, schedule, now)
        others_at = others_live_at.get(schedule.id, 0)
        settings = app.stream_settings(record.key)
        for one in scheduled_not_live(record, settings, now, schedule.late_after, others_at):
            yield one
            if is_any:
                others_live_at[schedule.id] = now

    for name, stored in schedules.items():
        yield from _of_patterns(app, stored, came_at.get(name, 0), now)


def _of_patterns(app: App, stored: StoredSchedule, came_at: int, now: int) -> Iterator[Condition]:
    """Yield one condition if an occurrence under way is late, and no stream that fits its pattern
    is live. `came_at`: when a waiting stream of the schedule was last live."""
    schedule = stored.schedule
    for rule in stored.under_way(now):
        occurrence, pattern = rule.occurrence, rule.matches[0].pattern
        since = max(occurrence.starts_at, came_at)
        is_late = now < occurrence.ends_at and now - since >= schedule.late_after
        if is_late and not app.stream_settings(pattern).observe and not _any_live(app, rule, now):
            yield none_live(pattern, schedule.id, since)
            return


def _any_live(app: App, rule: TemporaryRule, now: int) -> bool:
    keys = live_keys(app.store, rule.matches)
    return any(_last_live_at(app, key, now) == now for key in keys)


def _last_live_at(app: App, key: StreamKey, now: int) -> int:
    with suppress(Unreadable):  # reconcile reports it
        return live_at(app.store.load(key).record, now)
    return 0


def _live_at(app: App, schedule: Schedule, now: int) -> int:
    """Return when any stream of the schedule was last live; `now` if one is live."""
    return max(_last_live_at(app, key, now) for key in keys_of(schedule.streams))


def _waiting(app: App) -> Iterator[StreamRecord]:
    """Yield the streams in the phase `waiting`, up to MAX_ALERT_ENTRIES."""
    waiting, read = Filter(Phase.WAITING), 0
    rows = app.store.listed(waiting, after=None, limit=PAGE_ROWS)
    while rows:
        yield from (record for record in rows if isinstance(record, StreamRecord))
        read, after = read + len(rows), rows[-1].key
        is_last = len(rows) < PAGE_ROWS or read >= MAX_ALERT_ENTRIES
        rows = () if is_last else app.store.listed(waiting, after=after, limit=PAGE_ROWS)


def _dropped(app: App, book: AlertBook, outbox: OutboxState, now: int) -> CounterWatch:
    """Return the watch of tasks dropped for lack of room: in a save, when an event was turned into
    deliveries, or as dead letters."""
    dropped = book.dropped.after(outbox.dropped, now)
    if dropped.since == now:
        app.store.touch(DROPPED)  # health reports it, too
    return dropped


def _barred(counted: Mapping[str, int], book: AlertBook, now: int) -> CounterWatch:
    return book.barred.after(sum(counted.get(name, 0) for name in _BARRED), now)


def _may_be_barred(app: App, barred: CounterWatch, now: int) -> bool:
    """Return True if an occurrence may have been barred: a counter of such occurrences has risen
    within the longest duration of a recording, or within a day if that is longer."""
    lasts_ms = max(app.settings.max_duration, DAY_MS)
    return barred.since is not None and now - barred.since <= lasts_ms


def _of_barred(
    invocation: Invocation, schedules: _Schedules, book: AlertBook, now: int
) -> tuple[Sequence[Condition], int]:
    """Return a condition for each occurrence that was missed or that a stop bars, and the index of
    the schedule at which the next run continues. Schedules that there was no time for, and streams
    whose record cannot be read, keep their conditions.
    """
    app, first, left = invocation.app, book.barred_from, set(schedules)
    found, unread = list[Condition](), set[StreamKey]()
    missed = dict[StreamKey, Sequence[str]]()
    for name in [*list(schedules)[first:], *list(schedules)[:first]]:
        if invocation.deadline.left() <= REST_S or len(missed) >= MAX_ALERT_ENTRIES:
            break
        left.discard(name)
        streams = schedules[name].schedule.streams
        is_by_pattern = schedules[name].schedule.is_by_pattern
        for key in live_keys(app.store, matches_of(streams)) if is_by_pattern else keys_of(streams):
            try:
                record = app.store.load(key).record if key not in missed else None
            except Unreadable:  # reconcile reports it
                unread.add(key)
                continue
            if record is not None and not app.stream_settings(key).observe:
                found += occurrences_barred(record, now)
                missed[key] = missed_occurrences(record)
    new = (one for one in _without_replaced(found, schedules, missed) if _of(one) not in left)
    open_ = (alert.condition for alert in book.open if alert.code in _OF_BARRED)
    known = (one for one in open_ if _of(one) in left or one.stream in unread)
    return [*new, *known], (first + len(schedules) - len(left)) % max(len(schedules), 1)


def _of(barred: Condition) -> str:
    """Return the schedule that the condition is about."""
    return str(barred.about["schedule"])


def _without_replaced(
    found: Sequence[Condition], schedules: _Schedules, missed: Mapping[StreamKey, Sequence[str]]
) -> Iterator[Condition]:
    """Yield the conditions. If a schedule needs only one of its streams, yield one condition for a
    missed occurrence, and none if any stream was recorded. `missed`: for each stream whose record
    could be read, the occurrences that it missed."""
    named = set[str]()
    for one in found:
        stored = schedules.get(_of(one))
        is_any = stored is not None and stored.schedule.expect is Expect.ANY
        if stored is None or not is_any or one.code != ConditionCode.OCCURRENCE_MISSED.value:
            yield one
            continue
        occurrence = str(one.about["occurrence"])
        known = (missed[key] for key in keys_of(stored.schedule.streams) if key in missed)
        if occurrence not in named and all(occurrence in ids for ids in known):
            named.add(occurrence)
            yield one


def _of_rehearsals(app: App, schedules: _Schedules, now: int) -> Iterator[Condition]:
    """Yield a condition for each application without the rehearsal that a schedule demands, if an
    occurrence begins soon. Of several such schedules, use the one that begins first."""
    found: dict[str, Condition] = {}
    for stored in sorted(_about_to_begin(schedules, now), key=lambda one: -(one.begins_at or 0)):
        schedule, begins_at = stored.schedule, stored.begins_at or 0
        for key in _to_come(app, stored, begins_at):
            application = StreamKey(key.domain, key.app, "")
            last = last_rehearsal(app.store.get_text(rehearsal_note(key)))
            go_at = last.at if last is not None and last.is_go else None
            missing = not_rehearsed(
                application, schedule.id, begins_at, schedule.rehearsed_within, go_at
            )
            if missing is not None:
                found[missing.id] = missing
    yield from found.values()


def _about_to_begin(schedules: _Schedules, now: int) -> Iterator[StoredSchedule]:
    """Yield the schedules that demand a rehearsal and begin within two hours."""
    for stored in schedules.values():
        is_near = now < (stored.begins_at or 0) <= now + REHEARSAL_DUE_MS
        is_off = stored.is_deleted or stored.schedule.is_paused
        if stored.schedule.rehearsed_within and is_near and not is_off:
            yield stored


def _to_come(app: App, stored: StoredSchedule, begins_at: int) -> Sequence[StreamKey]:
    """Return one stream of each application for which the occurrence is planned. A person may have
    skipped it, and a skip concerns every stream of the schedule."""
    first = one_of_each_application(stored.schedule.streams)
    return [key for key in first if _is_planned(app, key, stored, begins_at)]


def _is_planned(app: App, key: StreamKey, stored: StoredSchedule, begins_at: int) -> bool:
    schedule = stored.schedule.id
    planned: Sequence[Occurrence] = [rule.occurrence for rule in stored.rules]
    try:
        planned = planned if stored.schedule.is_by_pattern else app.store.load(key).record.planned
    except Unreadable:
        return True  # reconcile reports it
    return any(one.schedule == schedule and one.begins_at == begins_at for one in planned)


def _uri(task: Task) -> str:
    try:
        return decode(task.body, VerifyFile).uri
    except Undecodable:
        return "-"


def _of_others(app: App) -> Iterator[Condition]:
    """Yield one condition for each application that somebody else records, among the first
    PAGE_ROWS streams so recorded."""
    seen: set[str] = set()
    for record in app.store.listed(Filter(Phase.UNMANAGED), after=None, limit=PAGE_ROWS):
        for one in unmanaged(record) if isinstance(record, StreamRecord) else ():
            if one.id not in seen:
                yield one
            seen.add(one.id)


def _watch(counted: Mapping[str, int], book: AlertBook, now: int) -> CallbackWatch:
    arrived = sum(counted.get(counters.callbacks("stream", result), 0) for result in _ARRIVED)
    unreported = counted.get(counters.UNREPORTED, 0)
    return book.watch.after(arrived, unreported, now, is_first=book.is_first_evaluation(now))


def _facts(app: App, watch: CallbackWatch, outbox: OutboxState, now: int) -> StageFacts:
    store, ages = app.store, app.store.ages()
    size, state = store.size(), store.state()
    expected, dead = app.settings.store_id, store.dead_letters(after="", limit=1)
    is_emptied = bool(expected) and state.store_id is None
    domains = (each.streaming for each in app.policy.domains)
    observes = mode_of(app.settings, app.policy) is Mode.OBSERVE
    unusable, unusable_ms = totals([] if observes else list(noted(store, domains, ages)), now)
    return StageFacts(
        now=now,
        queue_oldest_ms=store.queue().oldest,
        timers={function: ages.get(name) for function, name in TIMERS.items()},
        unreported_since=watch.since,
        room=Room(size.used, size.limit) if size else None,
        emptied_at=(state.emptied_at or now) if is_emptied else None,
        tasks_open=outbox.open,
        tasks_oldest_ms=outbox.oldest_ms,
        tasks_dead=outbox.dead,
        dead_since=dead[0].task.due_at if dead else None,
        tasks_dropped=outbox.dropped,
        dropped_ms_ago=ages.get(DROPPED),
        closed_receivers=list(_closed_receivers(app)),
        failing_targets=list(_failing_targets(app)),
        unplanned_ms=unplanned_ms(ages),
        unset_receivers=noted_unset(store),
        unusable=unusable,
        unusable_ms=unusable_ms,
    )


def _closed_receivers(app: App) -> Iterator[ClosedReceiver]:
    """Yield each webhook receiver of the policy that gets no more events."""
    for hook in app.policy.webhooks:
        endpoint = endpoint_of(hook.url, app.store.get_text(note_of(hook.name)))
        if endpoint.closed_at is not None:
            yield ClosedReceiver(hook.name, endpoint.closed_at, endpoint.why)


def _failing_targets(app: App) -> Iterator[FailingTarget]:
    """Yield each store of the policy to which copies fail, as the copy tasks report."""
    if not app.policy.deliver:
        return
    found: dict[str, list[tuple[int, str]]] = {}
    for task in app.store.open_of_kind(TaskKind.DELIVER_FILE.value, limit=PAGE_ROWS):
        body = _copy_of(task)
        if body is not None and body.failing_since:
            found.setdefault(body.target, []).append((body.failing_since, task.why))
    for target, failing in found.items():
        since, why = min(failing)
        yield FailingTarget(target, since, len(failing), why)


def _copy_of(task: Task) -> DeliverFile | None:
    try:
        return decode(task.body, DeliverFile)
    except Undecodable:
        return None

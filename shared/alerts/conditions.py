"""Finds what is wrong now with a stream, a file or the stage. No other module decides this.

To add a condition, give it a code (shared/protocol/policy.py), a severity (condition.py) and texts
in the catalogue (shared/inbound/catalogue). Yield it here, and list it in docs/notify.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from shared.alerts.condition import Condition, of_stage, of_stream
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.explain import cause_of_delay, explain
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.derived.wrong import (
    REPORTED_AFTER_MS,
    UNPROVED_MS,
    stopping_since,
    wrong_since,
)
from shared.protocol.durations import TIMER_SILENT_MS, rfc3339, written
from shared.protocol.events import StreamSettings
from shared.protocol.policy import ConditionCode
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.intent import Requester
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey

UNCONFIRMED_MS = 60_000
"""ms after which an accepted start without a report counts as unconfirmed, if the domain sends
reports."""
UNVERIFIED_MS = 600_000
"""ms within which a reported file must be verified."""
QUEUE_LATE_MS = 30_000
CALLBACKS_SILENT_MS = 120_000
"""How long (ms) no callback may come after an online list showed a stream that none reported."""
REHEARSAL_DUE_MS = 2 * 3_600_000
"""ms before an occurrence by which a rehearsal must exist, if the schedule demands one."""
TASKS_LATE_MS = 300_000
COPIES_FAIL_MS = 600_000
"""ms after which copies to a store count as failing; each was tried at least five times."""
NEARLY_FULL_PERCENT: Final = 80
LEAST_ROOM_BYTES = 100_000
"""A store with less free space than this counts as full."""
DAY_MS = 86_400_000
WRONG_AHEAD_MS = UNPROVED_MS - UNCONFIRMED_MS
"""The index of wrong streams is read this far ahead of now, to find unconfirmed starts."""


def conditions(
    record: StreamRecord,
    settings: StreamSettings,
    now: int,
    continuity: Continuity = UNBROKEN,
) -> Iterator[Condition]:
    """Yield a condition if something is wrong with the recording of a stream. Either the stream has
    been wanted and live, but not recorded, for REPORTED_AFTER_MS. Or Live accepted a start
    UNCONFIRMED_MS ago, and has not shown since then that it records, although it sends recording
    callbacks for the domain. Yield nothing in a stage that only observes, because it does not have
    to record."""
    if settings.observe:
        return
    since, confirmation = wrong_since(record), record.confirmation
    if since is not None and now - since >= REPORTED_AFTER_MS:
        cause = cause_of_delay(record, now, settings, continuity)
        yield of_stream(ConditionCode.NOT_RECORDED, record.key, since, cause)
        return
    is_awaited = record.awaits_proof and settings.status_known
    if confirmation and is_awaited and now - confirmation.at >= UNCONFIRMED_MS:
        cause = explain(record, now, settings, continuity)
        yield of_stream(ConditionCode.UNCONFIRMED, record.key, confirmation.at, cause)


def not_stopped(
    record: StreamRecord,
    settings: StreamSettings,
    now: int,
    continuity: Continuity = UNBROKEN,
) -> Iterator[Condition]:
    """Yield a condition if a stop has been pending or on the wire for too long (REPORTED_AFTER_MS):
    the stream may be recorded longer than anybody wants. Yield none in a stage that only observes.
    """
    since = stopping_since(record)
    if since is not None and not settings.observe and now - since >= REPORTED_AFTER_MS:
        cause = cause_of_delay(record, now, settings, continuity)
        yield of_stream(ConditionCode.NOT_STOPPED, record.key, since, cause)


def scheduled_not_live(
    record: StreamRecord,
    settings: StreamSettings,
    now: int,
    late_after_ms: int,
    others_live_at: int = 0,
) -> Iterator[Condition]:
    """Yield a condition if a schedule wants this stream recorded and the stream has not been live
    for `late_after_ms`. That time counts from the latest of three: the announced start of the
    occurrence; the end of the stream's last session; and `others_live_at`. If one live stream of
    the schedule is enough, `others_live_at` is when another of its streams was last live; otherwise
    it is 0."""
    intent, session = record.intent, record.session
    is_wanted = intent.wanted and intent.requester is Requester.SCHEDULE
    if settings.observe or not is_wanted or not (session is None or record.is_off):
        return
    shows = [one for one in record.begun if one.id == intent.occurrence]
    off_since = session.off_since if session is not None else 0
    since = max(off_since, others_live_at, *([one.starts_at for one in shows] or [intent.made_at]))
    if now - since >= late_after_ms:
        about = {"schedule": intent.who}
        cause = HistoryEntry(Reason.NOT_LIVE)
        yield of_stream(ConditionCode.SCHEDULED_NOT_LIVE, record.key, since, cause, about)


def none_live(pattern: StreamKey, schedule: str, since: int) -> Condition:
    """Return the condition that no stream that fits this pattern of a schedule has been live since
    `since`."""
    cause, about = HistoryEntry(Reason.NOT_LIVE), {"schedule": schedule}
    return of_stream(ConditionCode.SCHEDULED_NOT_LIVE, pattern, since, cause, about)


def live_at(record: StreamRecord, now: int) -> int:
    """Return when the stream was last live: `now` if its session has not ended, 0 if it never had
    one."""
    session = record.session
    if session is None:
        return 0
    return session.off_since if record.is_off else now


_BARRED: Final = {
    Reason.SCHEDULE_MISSED: ConditionCode.OCCURRENCE_MISSED,
    Reason.SCHEDULE_HELD: ConditionCode.OCCURRENCE_HELD,
}


def occurrences_barred(record: StreamRecord, now: int) -> Iterator[Condition]:
    """Yield up to two conditions: one for the last occurrence that was missed, and one for the last
    occurrence that is not recorded because of a person's stop. The condition for a missed
    occurrence holds for at least a day. The other one holds until the occurrence ends or the stream
    is wanted again."""
    found = dict[ConditionCode, Occurrence]()
    for one in record.begun:
        code = _BARRED.get(one.barred_by) if one.barred_by is not None else None
        is_held = code is ConditionCode.OCCURRENCE_HELD
        lasts_until = one.ends_at if is_held else one.stays_until
        if code is not None and now < lasts_until:
            found[code] = one
    if record.intent.wanted:
        found.pop(ConditionCode.OCCURRENCE_HELD, None)
    for code, one in found.items():
        about = {"schedule": one.schedule, "occurrence": one.id}
        cause = HistoryEntry(one.barred_by, about) if one.barred_by is not None else None
        yield of_stream(code, record.key, one.begins_at, cause, about)


def missed_occurrences(record: StreamRecord) -> Sequence[str]:
    """Return the ids of a stream's missed occurrences that its record still lists."""
    return [one.id for one in record.begun if one.barred_by is Reason.SCHEDULE_MISSED]


def not_rehearsed(
    application: StreamKey, schedule: str, begins_at: int, demanded_ms: int, go_at: int | None
) -> Condition | None:
    """Return a condition if the application was not rehearsed within `demanded_ms` before
    `begins_at`, when an occurrence of the schedule begins; None if it was. `go_at` is when the last
    rehearsal ended, if its verdict was GO; otherwise it is None."""
    if go_at is not None and begins_at - go_at <= demanded_ms:
        return None
    about = {"schedule": schedule, "time": rfc3339(begins_at), "within": written(demanded_ms)}
    since = begins_at - REHEARSAL_DUE_MS
    return of_stream(ConditionCode.NOT_REHEARSED, application, since, about=about)


def unmanaged(record: StreamRecord) -> Iterator[Condition]:
    """Yield a condition about the stream's application if Live records the stream and nobody asked
    live-record to manage that recording."""
    if phase(record) is Phase.UNMANAGED and record.last_report is not None:
        application = StreamKey(record.key.domain, record.key.app, "")
        cause = HistoryEntry(Reason.UNMANAGED)
        yield of_stream(ConditionCode.UNMANAGED, application, record.last_report.at, cause)


def unverified(
    key: StreamKey, uri: str, reported_at: int, now: int, why: str
) -> Iterator[Condition]:
    """Yield a condition if a file, which is not verified yet, was reported too long ago
    (UNVERIFIED_MS). `why` is the error of the last attempt to verify it; "" if there was none."""
    if now - reported_at >= UNVERIFIED_MS:
        about = {"uri": uri, "why": why or "-"}
        yield of_stream(ConditionCode.FILE_UNVERIFIED, key, reported_at, about=about)


class FailingTarget(Struct, frozen=True):
    """A target to which `count` files cannot be copied. `since` and `why` are those of the copy
    that has failed for the longest time: when it began to fail, and its last error."""

    name: str
    since: int
    count: int
    why: str


class Room(Struct, frozen=True):
    """How much of the store's space is used, in bytes. `limit` is None if the space has no limit,
    or if the store does not tell the limit."""

    used: int
    limit: int | None


class ClosedReceiver(Struct, frozen=True):
    """A webhook receiver to which no events have been sent since `since`, because of `why`."""

    name: str
    since: int
    why: str


class StageFacts(Struct, frozen=True):
    """What the checks of the stage need to know, as of `now`. `timers`: for each function with a
    timer, how many ms ago it last ran. `unreported_since`: since when an online list has shown a
    stream that no callback reported. `unplanned_ms`: for how long at least one schedule could not
    be planned, that is, its occurrences could not be computed and stored; None if all can be.
    `unusable`: how many live streams a rule should record, but cannot because of their names;
    `unusable_ms`: for how long. `unset_receivers`: the robots, secrets and access keys that the
    policy names and the settings lack. All times are in ms. For each other time, None means that
    the event never happened."""

    now: int
    queue_oldest_ms: int
    timers: Mapping[str, int | None]
    unreported_since: int | None
    room: Room | None
    emptied_at: int | None
    tasks_open: int
    tasks_oldest_ms: int
    tasks_dead: int
    dead_since: int | None
    tasks_dropped: int
    dropped_ms_ago: int | None
    closed_receivers: Sequence[ClosedReceiver] = ()
    failing_targets: Sequence[FailingTarget] = ()
    unplanned_ms: int | None = None
    unset_receivers: Sequence[str] = ()
    unusable: int = 0
    unusable_ms: int = 0


Check = Callable[[StageFacts], Iterator[Condition]]


def queue_moves(facts: StageFacts) -> Iterator[Condition]:
    oldest_ms = facts.queue_oldest_ms
    if oldest_ms > QUEUE_LATE_MS:
        yield of_stage(
            ConditionCode.QUEUE_LATE, facts.now - oldest_ms, {"oldest": written(oldest_ms)}
        )


def callbacks_arrive(facts: StageFacts) -> Iterator[Condition]:
    since = facts.unreported_since
    if since is not None and facts.now - since >= CALLBACKS_SILENT_MS:
        yield of_stage(ConditionCode.CALLBACKS_SILENT, since, {"ago": written(facts.now - since)})


def timers_run(facts: StageFacts) -> Iterator[Condition]:
    """Yield a condition for each silent timer: its function has not run for more than
    TIMER_SILENT_MS. If the function has never run, the wait of the oldest due stream counts
    instead."""
    for function, age_ms in facts.timers.items():
        silent_ms = facts.queue_oldest_ms if age_ms is None else age_ms
        if silent_ms > TIMER_SILENT_MS:
            about: dict[str, str | int] = {"function": function, "ago": written(silent_ms)}
            yield of_stage(
                ConditionCode.TIMER_SILENT, facts.now - silent_ms, about, subject=function
            )


def schedules_are_planned(facts: StageFacts) -> Iterator[Condition]:
    age_ms = facts.unplanned_ms
    if age_ms is not None:
        about = {"ago": written(age_ms)}
        yield of_stage(ConditionCode.SCHEDULES_UNPLANNED, facts.now - age_ms, about)


def names_are_usable(facts: StageFacts) -> Iterator[Condition]:
    if facts.unusable:
        about: dict[str, str | int] = {"count": facts.unusable}
        about["oldest"] = written(facts.unusable_ms)
        yield of_stage(ConditionCode.NAMES_UNUSABLE, facts.now - facts.unusable_ms, about)


def store_has_room(facts: StageFacts) -> Iterator[Condition]:
    room = facts.room
    if room is None or not room.limit:
        return
    about = {"percent": round(100 * room.used / room.limit)}
    if room.limit - room.used < LEAST_ROOM_BYTES:
        yield of_stage(ConditionCode.STORE_FULL, facts.now, about)
    elif 100 * room.used / room.limit > NEARLY_FULL_PERCENT:
        yield of_stage(ConditionCode.STORE_NEARLY_FULL, facts.now, about)


def store_is_ours(facts: StageFacts) -> Iterator[Condition]:
    if facts.emptied_at is not None:
        yield of_stage(ConditionCode.STORE_EMPTIED, facts.emptied_at)


def tasks_are_done(facts: StageFacts) -> Iterator[Condition]:
    if facts.tasks_oldest_ms > TASKS_LATE_MS:
        since = facts.now - facts.tasks_oldest_ms
        about: dict[str, str | int] = {
            "count": facts.tasks_open,
            "oldest": written(facts.tasks_oldest_ms),
        }
        yield of_stage(ConditionCode.TASKS_LATE, since, about)
    if facts.tasks_dead:
        since = facts.now if facts.dead_since is None else facts.dead_since
        yield of_stage(ConditionCode.TASKS_DEAD, since, {"count": facts.tasks_dead})
    ago_ms = facts.dropped_ms_ago
    if ago_ms is not None and ago_ms < DAY_MS:
        yield of_stage(
            ConditionCode.TASKS_DROPPED, facts.now - ago_ms, {"count": facts.tasks_dropped}
        )


def receivers_take_events(facts: StageFacts) -> Iterator[Condition]:
    for one in facts.closed_receivers:
        yield of_stage(ConditionCode.WEBHOOK_CLOSED, one.since, {"why": one.why}, subject=one.name)


def receivers_are_set(facts: StageFacts) -> Iterator[Condition]:
    if facts.unset_receivers:
        about = {"names": ", ".join(facts.unset_receivers)}
        yield of_stage(ConditionCode.RECEIVERS_UNSET, facts.now, about)


def targets_take_copies(facts: StageFacts) -> Iterator[Condition]:
    for one in facts.failing_targets:
        if facts.now - one.since >= COPIES_FAIL_MS:
            about: dict[str, str | int] = {"count": one.count, "why": one.why}
            yield of_stage(ConditionCode.COPIES_FAIL, one.since, about, subject=one.name)


CHECKS: Final[tuple[Check, ...]] = (
    queue_moves,
    callbacks_arrive,
    timers_run,
    schedules_are_planned,
    names_are_usable,
    store_has_room,
    store_is_ours,
    tasks_are_done,
    receivers_take_events,
    receivers_are_set,
    targets_take_copies,
)
"""The checks of the stage."""


def conditions_of_stage(facts: StageFacts) -> Iterator[Condition]:
    for check in CHECKS:
        yield from check(facts)

"""Lists every stored time of a record, and how far ahead of the store's clock it may lie.

`decide` calls `within_reach` first. After the store's clock was set back, a stored time may lie
hours ahead, and nothing would happen until then. docs/protocol.md shows the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.continuity import Continuity
from shared.protocol.events import StreamSettings
from shared.protocol.reason import Reason
from shared.protocol.rules.command_retry import longest_delay_before
from shared.protocol.rules.confirmation import LATE_REPORT_MS, MAX_CONFIRM_AGAIN_MS
from shared.protocol.state.command import IN_DOUBT_MS, MAX_SLOT_WAIT_MS
from shared.protocol.state.intent import Intent
from shared.protocol.state.occurrence import MISSED_SHOWN_MS, in_order
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS

Furthest: TypeAlias = Callable[[StreamRecord, StreamSettings], int]
"""Returns how far ahead (ms) a time may lie. Its docstring appears in docs/protocol.md."""


class StoredTime(Struct, frozen=True):
    """The field `name` in a part of the record; `part` is the name of that part, "" for the record
    itself. `furthest` computes how far ahead of the store's clock the time may lie. It is None if
    the time does not come from this clock; the time is then left unchanged."""

    part: str
    name: str
    furthest: Furthest | None


def none_ahead(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return 0, because such a time has passed."""
    return 0


def slot_wait(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the longest wait for a slot."""
    return MAX_SLOT_WAIT_MS


def lease(record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the longest wait for a slot, plus the length of the lease."""
    flight = record.flight
    return MAX_SLOT_WAIT_MS + (flight.lease_until - flight.sent_at if flight else 0)


def time_in_doubt(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the longest wait for a slot, plus the time in doubt."""
    return MAX_SLOT_WAIT_MS + IN_DOUBT_MS


def retry_pause(record: StreamRecord, settings: StreamSettings) -> int:
    """Return the longest pause that may come before the next attempt. After a restart whose answer
    was lost, this is at least the merge delay."""
    pending = record.pending
    if pending is None:
        return 0
    if pending.reason is Reason.RESTART_UNKNOWN:
        return max(settings.merge_delay, longest_delay_before(pending.attempts))
    return longest_delay_before(pending.attempts)


def merge_delay(_record: StreamRecord, settings: StreamSettings) -> int:
    """Return the merge delay."""
    return settings.merge_delay


def check_pause(_record: StreamRecord, settings: StreamSettings) -> int:
    """Return the longest pause that may come before a check. It is at least the time until a stop
    in doubt can no longer land, plus the merge delay."""
    return max(MAX_CONFIRM_AGAIN_MS, settings.merge_delay + MAX_SLOT_WAIT_MS + IN_DOUBT_MS)


def late_report(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the longest wait for a slot, plus the time in doubt, plus the time by which a report
    may be late."""
    return MAX_SLOT_WAIT_MS + IN_DOUBT_MS + LATE_REPORT_MS


def clock_difference(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the longest wait for a slot, plus the difference of Live's clock and the store's."""
    return MAX_SLOT_WAIT_MS + TOGETHER_MS


def missed_shown(_record: StreamRecord, _settings: StreamSettings) -> int:
    """Return the time for which a missed occurrence stays in the record."""
    return MISSED_SHOWN_MS


def retention(_record: StreamRecord, settings: StreamSettings) -> int:
    """Return the time for which a stream is kept; each decision sets it again."""
    return settings.keep


_OF_LIVE = _OF_PEOPLE = None

STORED_TIMES: tuple[StoredTime, ...] = (
    StoredTime("", "interrupted_at", none_ahead),
    StoredTime("", "interrupted_latest_at", none_ahead),
    StoredTime("", "unseen_end_time", _OF_LIVE),
    StoredTime("", "stopped_at", time_in_doubt),
    StoredTime("", "stop_not_found_at", none_ahead),
    StoredTime("", "changed_at", none_ahead),
    StoredTime("", "forget_at", retention),
    StoredTime("", "absence_polled_at", none_ahead),
    StoredTime("intent", "made_at", none_ahead),
    StoredTime("intent", "first_accepted_at", none_ahead),
    StoredTime("intent", "until", _OF_PEOPLE),
    StoredTime("intent", "held_until", _OF_PEOPLE),
    StoredTime("intent", "held_opening_before", merge_delay),
    StoredTime("intent", "overrun_at", _OF_PEOPLE),
    *(
        StoredTime(part, name, _OF_PEOPLE)
        for part in ("planned", "begun")
        for name in ("starts_at", "begins_at", "ends_at", "until")
    ),
    StoredTime("planned", "missed_until", missed_shown),
    StoredTime("begun", "missed_until", missed_shown),
    StoredTime("pending", "since", none_ahead),
    StoredTime("pending", "not_before", retry_pause),
    StoredTime("flight", "since", none_ahead),
    StoredTime("flight", "sent_at", slot_wait),
    StoredTime("flight", "lease_until", lease),
    StoredTime("doubts", "until", time_in_doubt),
    StoredTime("session", "opened_at", none_ahead),
    StoredTime("session", "time", _OF_LIVE),
    StoredTime("session", "publish_time", _OF_LIVE),
    StoredTime("session", "off_since", none_ahead),
    StoredTime("session", "absent_at", none_ahead),
    StoredTime("session", "last_unpublish_time", _OF_LIVE),
    StoredTime("session", "unverified_publish_time", _OF_LIVE),
    StoredTime("session", "before_time", _OF_LIVE),
    StoredTime("confirmation", "at", none_ahead),
    StoredTime("confirmation", "check_at", check_pause),
    StoredTime("confirmation", "since", clock_difference),
    StoredTime("confirmation", "sent_at", slot_wait),
    StoredTime("confirmation", "older_until", late_report),
    StoredTime("confirmation", "begun_at", none_ahead),
    StoredTime("confirmation", "unshown_since", none_ahead),
    StoredTime("failure", "at", none_ahead),
    StoredTime("failure", "lost_since", none_ahead),
    StoredTime("stop_check", "since", none_ahead),
    StoredTime("stop_check", "at", none_ahead),
    StoredTime("stop_check", "check_at", check_pause),
    StoredTime("last_report", "at", none_ahead),
    StoredTime("last_report", "time", _OF_LIVE),
    StoredTime("answer", "at", none_ahead),
    StoredTime("asked", "at", none_ahead),
)


Times: TypeAlias = tuple[tuple[str, Furthest], ...]


def _by_part() -> Mapping[str, Times]:
    parts: dict[str, Times] = {}
    for time in STORED_TIMES:
        if time.furthest is not None:
            parts[time.part] = (*parts.get(time.part, ()), (time.name, time.furthest))
    return parts


_OF_PARTS = tuple((name, times) for name, times in _by_part().items() if name)
_OF_RECORD = _by_part()[""]


def within_reach(record: StreamRecord, now: int, settings: StreamSettings) -> StreamRecord:
    """Return the record with no time further ahead of `now` than is allowed: such a time becomes
    the latest time allowed. Times that people set, or that come from Live's clock, stay. An
    occurrence that counts as missed, though its end lies ahead of `now`, is planned again."""

    def too_late(part: Struct, times: Times) -> dict[str, Any]:
        late: dict[str, Any] = {}
        for name, furthest in times:
            at = getattr(part, name)
            if at is not None and at > now and at > (limit := now + furthest(record, settings)):
                late[name] = limit
        return late

    def moved(part: Struct, times: Times) -> Struct:
        late = too_late(part, times)
        return replace(part, **late) if late else part

    changes = too_late(record, _OF_RECORD)
    for name, times in _OF_PARTS:
        part = getattr(record, name)
        if not part:
            continue
        is_list = isinstance(part, tuple)
        after = tuple(moved(one, times) for one in part) if is_list else moved(part, times)
        if after is not part and after != part:
            changes[name] = after
    if "intent" in changes:
        changes["intent"] = _with_its_end(record.intent, changes["intent"], settings)
    return _with_missed(replace(record, **changes) if changes else record, now)


def _with_missed(record: StreamRecord, now: int) -> StreamRecord:
    """Return the record in which each missed occurrence is planned again if its end lies ahead:
    only a clock that was ahead has missed it."""
    # begins_at ── now ── ends_at ── then, by the clock that was ahead: missed
    wrong = [
        one for one in record.begun if one.barred_by is Reason.SCHEDULE_MISSED and now < one.ends_at
    ]
    if not wrong:
        return record
    again = (replace(one, is_over=False, barred_by=None, missed_until=None) for one in wrong)
    begun = tuple(one for one in record.begun if one not in wrong)
    return replace(record, planned=in_order((*record.planned, *again)), begun=begun)


def over_the_gap(
    record: StreamRecord, settings: StreamSettings, continuity: Continuity
) -> StreamRecord:
    """Return the record with each pause that may have lasted into a gap of the store's clock moved
    to the end of that gap. Nobody knows how long the gap was. So Live may keep the recording paused
    for the whole merge delay after it.

    `interrupted_at` stays, because it shows whether Live has accepted a start since the
    interruption.
    """
    # pause ── less than the merge delay ── gap_from ── a jump, or nobody ran ── steady_since ── now
    gap_from, since = continuity.gap_from, continuity.steady_since
    if not since:
        return record
    began_at = record.confirmation.begun_at if record.confirmation else None
    pauses = {
        "interrupted_latest_at": (record.last_interruption or None, began_at),
        "stopped_at": (record.stopped_at, began_at),
        "stop_not_found_at": (record.stop_not_found_at, None),
    }
    changes = {
        name: since
        for name, (at, over_at) in pauses.items()
        if at is not None and (over_at or 0) <= at < since and gap_from - at < settings.merge_delay
    }
    return replace(record, **changes) if changes else record


def _with_its_end(before: Intent, after: Intent, settings: StreamSettings) -> Intent:
    """Return the intent with its end moved along with the first accepted start; otherwise it would
    record for too long."""
    began, moved = before.first_accepted_at, after.first_accepted_at
    if began is None or moved is None or after.until is None:
        return after
    lasts = min(after.max_duration or settings.max_duration, settings.max_duration)
    counted = before.until == began + lasts
    return replace(after, until=moved + lasts) if counted else after

"""Computes the state of a stream for people, as status, list, watch, why, health and doctor show
it.

The API builds every answer about a stream from this state, so that no two answers disagree. The
module is pure: its inputs are the record, the time, the settings, the store's continuity, and when
the online list was last read.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.due_times import next_poll
from shared.protocol.derived.explain import cause_of_delay, explain
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.derived.wrong import may_have_started, stopping_since, wrong_since
from shared.protocol.durations import written
from shared.protocol.events import StreamSettings
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState

UNREAD_MS = 120_000
"""The online list is read every minute. If it was not read for this long, answers about a stream
state how old their information is."""
AHEAD_MS = 5_000
"""A stored time further ahead than this shows that the clock was set back. The clocks of two
instances differ by less."""


class Liveness(str, Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Wrong(Struct, frozen=True):
    """Why a wanted and live stream is not recorded, and since when. `is_certain`: False if it may
    be recorded all the same, because the answer to a start was lost or unclear."""

    since: int
    reason: HistoryEntry
    is_certain: bool = True


class Standing(Struct, frozen=True):
    """The state of a stream, for people. Times are ms since the epoch.

    `since`: when the phase began. `shown_at`: when Live last showed that it records; None if it has
    not, or if that time lies ahead because the clock was set back. `live_at`: the time at which
    `live` was last known to be right. `next_attempt_at`: when the recording is next tried or
    checked; None if no time is known. `attempts`: how often this was tried without success so far.
    """

    phase: Phase
    since: int | None
    is_confirmed: bool
    shown_at: int | None
    live: Liveness
    live_at: int | None
    wrong: Wrong | None
    next_attempt_at: int | None
    attempts: int
    reason: HistoryEntry


def standing(
    record: StreamRecord,
    now: int,
    settings: StreamSettings,
    continuity: Continuity = UNBROKEN,
    *,
    listed_at: int | None = None,
) -> Standing:
    """Return the state of the stream, for people. `listed_at`: when the online list of its domain
    was last read; None for never."""
    stands, shown_at = phase(record), _shown_at(record)
    live, live_at = _liveness(record, listed_at)
    reason = explain(record, now, settings, continuity)
    is_datable = shown_at is None or shown_at <= now + AHEAD_MS
    if not is_datable:
        reason = HistoryEntry(Reason.RECORDED_AGE_UNKNOWN)
    elif listed_at is not None and now - listed_at > UNREAD_MS:
        reason = _with_its_age(reason, now, shown_at, listed_at)
    return Standing(
        phase=stands,
        since=_since(record, stands),
        is_confirmed=record.is_recorded and is_confirmed(record),
        shown_at=shown_at if is_datable else None,
        live=live,
        live_at=live_at,
        wrong=_wrong(record, now, settings, continuity),
        next_attempt_at=_next_attempt_at(record),
        attempts=_attempts(record),
        reason=reason,
    )


def _with_its_age(
    reason: HistoryEntry, now: int, shown_at: int | None, listed_at: int
) -> HistoryEntry:
    """Return the cause with the age of the report or the online list on which the cause rests. A
    cause that rests on neither is returned unchanged."""
    unread = written(now - listed_at)
    if shown_at is not None:
        about = {"ago": written(max(now - shown_at, 0)), "unread": unread}
        return HistoryEntry(Reason.RECORDED_UNCHECKED, about)
    if reason.code is Reason.NOT_LIVE:
        return HistoryEntry(Reason.NOT_LIVE_UNCHECKED, {"unread": unread})
    return reason


def is_confirmed(record: StreamRecord) -> bool:
    """Return True if Live has shown that it records this session: by a report, by a file, or by
    answering a start with TaskAlreadyStarted. That answer does not count if the recording may have
    been paused, for Live gives it then, too."""
    confirmation = record.confirmation
    return confirmation is not None and record.is_started and confirmation.is_shown


def _liveness(record: StreamRecord, listed_at: int | None) -> tuple[Liveness, int | None]:
    """Return whether the stream is live, and as of when. A list that contradicts the record changes
    the record's session. So the session was still right when the list was last read."""
    session = record.session
    if session is None:
        return (Liveness.UNKNOWN, None) if listed_at is None else (Liveness.NO, listed_at)
    if session.state is SessionState.ENDING:
        return Liveness.UNKNOWN, session.off_since
    if session.state is SessionState.ENDED:
        return Liveness.NO, max(session.off_since, listed_at or 0)
    return Liveness.YES, max(session.opened_at, listed_at or 0)


def _shown_at(record: StreamRecord) -> int | None:
    confirmation, report = record.confirmation, record.last_report
    if confirmation is None or not record.is_recorded:
        return None
    reported_at = report.at if report is not None and report.recording else 0
    return max(confirmation.at, reported_at)


def _wrong(
    record: StreamRecord, now: int, settings: StreamSettings, continuity: Continuity
) -> Wrong | None:
    since = wrong_since(record)
    if since is None or since > now:
        return None
    cause = cause_of_delay(record, now, settings, continuity)
    return Wrong(since, cause, is_certain=not may_have_started(record))


def _next_attempt_at(record: StreamRecord) -> int | None:
    """Return when the pending command is sent, or else when the start or stop is checked or the
    session polled. None if a command is on the wire, or if it waits for room under a cap, which
    nobody can predict."""
    pending, confirmation, session = record.pending, record.confirmation, record.session
    if record.flight is not None:
        return None
    if pending is not None:
        return None if pending.over_quota else pending.not_before
    if record.awaits_end and record.stop_check is not None:
        return record.stop_check.check_at
    if not record.intent.wanted or session is None:
        return None
    if session.state is SessionState.ENDING:
        return next_poll(session)
    is_checked = confirmation is not None and record.is_started and not record.is_off
    return confirmation.check_at if confirmation is not None and is_checked else None


def _attempts(record: StreamRecord) -> int:
    command, confirmation = record.flight or record.pending, record.confirmation
    if command is None and confirmation is not None and record.awaits_proof:
        return confirmation.accepted_again
    if command is None and record.stop_check is not None and record.awaits_end:
        return record.stop_check.accepted - 1
    return command.attempts if command else 0


def _since(record: StreamRecord, stands: Phase) -> int | None:
    command, confirmation, report = record.flight or record.pending, record.confirmation, None
    if stands is Phase.RECORDING and confirmation is not None:
        return confirmation.begun_at or confirmation.at
    if stands is Phase.UNMANAGED and (report := record.last_report) is not None:
        return report.at
    if stands is Phase.FAILED and record.failure is not None:
        return record.failure.at
    if stands is Phase.STOPPING and record.is_stop_in_vain:
        return stopping_since(record)
    if stands in (Phase.QUEUED, Phase.STARTING, Phase.STOPPING) and command is not None:
        return command.since
    return _idle_since(record)


def _idle_since(record: StreamRecord) -> int | None:
    """Return the time since which the stream has not changed: the last change of its intent, its
    session or Live's reports."""
    session, report = record.session, record.last_report
    times = [record.intent.made_at]
    if session is not None:
        times.append(session.opened_at if record.is_live else session.off_since)
    if report is not None and not report.recording:
        times.append(report.at)
    return max(times) or None

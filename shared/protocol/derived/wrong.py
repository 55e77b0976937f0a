"""Computes the time from which a stream is wrong: wanted and live, but not recorded.

The store keeps an index of these times, which health, `list` and the doctor read. A time depends on
the record alone, so that a stream's place in the index changes only with a save.
"""

from __future__ import annotations

from shared.protocol.reason import Reason
from shared.protocol.state.command import Flight, PendingCommand
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import SessionState
from shared.protocol.stream import STARTS, Command

UNDECIDED_MS = 60_000
"""How long it may be undecided whether a session has ended. Normally three polls decide within
30 s, but polls may fail. After this time the stream counts as not recorded, because nobody can tell
whether it is live."""
UNPROVED_MS = 130_000
"""How long Live may take to show that it records after an accepted start. After 60 s a second start
is due, and its answer decides. The timer that sends this start runs every minute."""
REPORTED_AFTER_MS = 20_000
"""If a stream waits longer than this to be recorded, health and the log report it. If it waits
longer to be stopped, health reports it."""
_WITHOUT_EFFECT = frozenset(
    {
        *(Reason.NOT_FOUND, Reason.LISTED_NOT_FOUND, Reason.NOT_LIVE_YET),
        *(Reason.NO_RECORD_CONFIG, Reason.WRONG_DOMAIN, Reason.REJECTED),
        *(Reason.THROTTLED, Reason.UNAVAILABLE, Reason.REFUSED_FOR_NOW),
        *(Reason.NEVER_SENT, Reason.SLOT_MISSED),
        *(Reason.OPERATOR_ACTION_NEEDED, Reason.LIVE_NOT_ACTIVATED),
    }
)
"""The outcomes of a start that certainly began no recording."""


def wrong_since(record: StreamRecord) -> int | None:
    """Return the time from which the stream counts as wrong, that is, as wanted and live but not
    recorded. The time may be in the future: the stream counts as wrong from then on, unless the
    record changes before. Return None if the stream does not count as wrong."""
    session, may_count = record.session, record.intent.wanted and not record.is_off
    if session is None or not may_count or record.is_recorded or shows_recording(record):
        return None
    if session.state is SessionState.ENDING:
        return session.off_since + UNDECIDED_MS
    if (denied_at := _failed_since(record) or _denied_since(record)) is not None:
        return denied_at
    if (confirmation := record.confirmation) is not None and record.awaits_proof:
        if confirmation.accepted_again:
            return confirmation.unshown_since
        return confirmation.at + UNPROVED_MS
    began = min(session.opened_at, session.began)
    return max(began, _wanted_since(record))


def shows_recording(record: StreamRecord) -> bool:
    """Return True if Live's last report shows that it records this wanted session, although Live
    accepted no start of it. If Live has refused the session's start, a report without a time does
    not count: it may be late, and be about an earlier session."""
    report, answer, session = record.last_report, record.answer, record.session
    if report is None or session is None or not record.is_reported:
        return False
    may_land = any(doubt.command is Command.START for doubt in record.doubts)
    if may_land or report.time is not None or answer is None:
        return True
    is_of_start = answer.command is Command.START and answer.at >= session.opened_at
    return not (is_of_start and answer.reason in _WITHOUT_EFFECT)


def may_have_started(record: StreamRecord) -> bool:
    """Return True if nobody knows whether Live carried out a start of this wanted session, because
    its answer was lost or unclear, and no later answer has shown it."""
    answer, session = record.answer, record.session
    if record.has_failed or not record.intent.wanted or session is None:
        return False
    if any(doubt.command in STARTS for doubt in record.doubts):
        return True
    is_of_start = answer is not None and answer.command in STARTS
    is_unclear = answer is not None and answer.reason in (Reason.IN_DOUBT, Reason.ANSWER_LOST)
    return answer is not None and is_of_start and is_unclear and answer.at >= session.opened_at


def stopping_since(record: StreamRecord) -> int | None:
    """Return the time since which a stop is pending or on the wire, or Live has accepted stop after
    stop and reported no end; None if there is no such time. A `cancel_delay` does not count: it is
    sent after the stop, and until it is sent, only the file comes later."""
    busy = (record.flight, record.pending)
    stops = [one.since for one in busy if one and one.command is Command.STOP]
    if record.stop_check and record.is_stop_in_vain:
        stops.append(record.stop_check.since)
    return min(stops, default=None)


def lost_by(record: StreamRecord, now: int) -> int:
    """Return the time from which the recording of a stream counts as lost, given that it was found
    at `now` not to be recorded: `now`, or `wrong_since` if that is earlier."""
    since = wrong_since(record)
    return now if since is None else min(since, now)


def _failed_since(record: StreamRecord) -> int | None:
    failure = record.failure if record.has_failed else None
    return failure.lost_since if failure else None


def _denied_since(record: StreamRecord) -> int | None:
    """Return when the present recording was denied; after errors in a row, when the first of them
    was reported, or Live had accepted its start."""
    denied_at, confirmation = record.denied_at, record.confirmation
    if denied_at is None or confirmation is None or not confirmation.denied:
        return denied_at
    return min(denied_at, confirmation.unshown_since or denied_at)


def _wanted_since(record: StreamRecord) -> int:
    """Return the time since which the stream is wanted. A repeated request changes the intent's
    time, but not that of the start already under way."""
    command: Flight | PendingCommand | None = record.flight or record.pending
    starts = command is not None and command.command is Command.START
    made_at = record.intent.made_at
    return min(made_at, command.since) if command and starts else made_at

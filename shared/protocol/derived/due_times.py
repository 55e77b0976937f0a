"""Computes when a record is due, which record goes first, and which records count against a quota.

The store orders its queue by these results. They depend on the record alone.
"""

from __future__ import annotations

from shared.protocol.reason import Reason
from shared.protocol.state.intent import Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import STARTS, Command

POLL_AFTER_MS = (5_000, 15_000, 30_000)
"""When an ending session is polled, counted from the time at which it became ending
(`off_since`)."""
POLL_AGAIN_MS = 60_000
"""How often an ending session is polled after the polls of POLL_AFTER_MS. If a session has been
ending for this long and a list still shows an earlier publish, the list counts as right: the
session's own publish never happened."""


def next_poll(session: Session) -> int | None:
    if session.state is not SessionState.ENDING:
        return None
    # off_since ── +5 s ── +15 s ── +30 s ── +90 s ── then every 60 s, but at least 5 s after the
    # first poll that missed the stream: two polls closer together count as one.
    planned = (
        *POLL_AFTER_MS,
        POLL_AFTER_MS[-1] + (session.polls - len(POLL_AFTER_MS) + 1) * POLL_AGAIN_MS,
    )
    at = session.off_since + planned[min(session.polls, len(POLL_AFTER_MS))]
    return at if session.absent_at is None else max(at, session.absent_at + TOGETHER_MS)


NEVER_LIVE_MS = 24 * 3_600_000
"""How long policy's intent lasts if its stream is not live and no start was accepted."""


def due_at(record: StreamRecord) -> int | None:
    """Return when this record must be handled even without an event; None for never."""
    times = [doubt.until for doubt in record.doubts]
    if record.flight:
        times.append(record.flight.lease_until)
    elif record.pending:
        times.append(record.pending.not_before)
    if record.session and (query_online := next_poll(record.session)) is not None:
        times.append(query_online)
    if record.intent.wanted:
        times += _due_of_intent(record)
    if record.stop_check and record.stop_check.check_at is not None:
        times.append(record.stop_check.check_at)
    if record.forget_at is not None:
        times.append(record.forget_at)
    if record.planned:
        times.append(record.planned[0].begins_at)
    return min(times, default=None)


def _due_of_intent(record: StreamRecord) -> list[int]:
    intent, confirmation = record.intent, record.confirmation
    times = [at for at in (intent.until, intent.overrun_at) if at is not None]
    if (at := never_live_at(record)) is not None:
        times.append(at)
    if (
        record.is_started
        and not record.is_off
        and confirmation
        and confirmation.check_at is not None
    ):
        times.append(confirmation.check_at)
    return times


def never_live_at(record: StreamRecord) -> int | None:
    """Return when an intent of policy ends because its stream is not live. Return None if there is
    no such intent, or if the stream may be live. Return None, too, if Live has accepted a start:
    the intent then ends at its `until`."""
    intent, session = record.intent, record.session
    is_of_policy = intent.wanted and intent.requester is Requester.POLICY
    if not is_of_policy or intent.first_accepted_at is not None:
        return None
    if session is None:
        return intent.made_at + NEVER_LIVE_MS
    return session.off_since + NEVER_LIVE_MS if session.state is SessionState.ENDED else None


def ends_at(record: StreamRecord) -> int:
    """Return when a wanted recording must end; 0 if no end is set or no recording is wanted."""
    return record.intent.until or 0 if record.intent.wanted else 0


PRIORITY_OF = {Command.STOP: 0, Command.CANCEL_DELAY: 0, Command.RESTART: 1, Command.START: 2}


_LAST_NUMBER = max(PRIORITY_OF.values()) + 1


def command_priority(record: StreamRecord) -> int:
    """Return the rank of a due record; if slots are short, the lowest rank goes first. First come
    records with a command that ends a recording (and its costs), and most records without a
    command. Then come restarts, and then starts. Last come stops that Live has accepted before, and
    two kinds of records without a command: those that are only to be forgotten, and those whose
    stream only a callback has reported, which waits for a poll; many such callbacks may be forged.
    """
    if record.forget_at is not None:
        return _LAST_NUMBER
    if record.pending:
        was_accepted = record.pending.reason is Reason.END_UNREPORTED
        return _LAST_NUMBER if was_accepted else PRIORITY_OF[record.pending.command]
    return _LAST_NUMBER if _is_only_polled(record) else 0


def _is_only_polled(record: StreamRecord) -> bool:
    session = record.session
    if session is None or session.publish_time is not None or record.ever_claimed:
        return False
    return session.state is SessionState.ENDING and not (record.flight or record.doubts)


def queue_priority(record: StreamRecord, priority: int) -> int:
    """Return the priority of a record among records of one rank (`command_priority`); the highest
    goes first. The priority of the stream's rule (`priority`) decides. Among records with the same
    `priority`, a start goes last if only policy wants it and only a callback (not the online list)
    has reported the publish."""
    return 2 * priority - _is_unpolled_start(record)


def _is_unpolled_start(record: StreamRecord) -> bool:
    """Return True for a start by policy whose publish only a callback has reported."""
    session, pending = record.session, record.pending
    if session is None or pending is None or pending.command is not Command.START:
        return False
    return session.publish_time is None and record.intent.requester is Requester.POLICY


def counts_against_quota(record: StreamRecord) -> bool:
    """Return True if the stream counts against a quota of concurrent recordings: a start or restart
    of ours may have begun a recording, and nothing shows that it has ended. A stream whose start is
    still pending does not count."""
    if record.flight and record.flight.command in STARTS:
        return True
    if any(doubt.command in STARTS for doubt in record.doubts):
        return True
    if record.is_off:
        return False
    if record.intent.wanted:
        return record.is_started
    busy = record.flight or record.pending
    is_stop_open = busy is not None and busy.command is Command.STOP
    return record.ever_claimed and (is_stop_open or record.intent.unsent_stop)

"""Decides when a session begins, is ending, and has ended. Each publish is a session of its own.

LIVE ──publish_done, a poll that misses it──▶ ENDING ──two polls that miss it──▶ ENDED
  ▲                                             │                                  │
  └──────────── a poll that shows it ───────────┴──────────────────────────────────┘

In every state, a callback of a later publish opens the next session. So does a poll that shows a
publish more than 5 s later. But if such a callback would end an intent, and policy would make no
new one, a poll has to show the publish first; until then, a live session is ENDING.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.derived.due_times import POLL_AGAIN_MS
from shared.protocol.events import Polled, Published, Unpublished
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import StartSource
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import STARTS, Command

LISTED_AFTER_MS = 10_000
"""For this long after a publish, the online list may not show the stream yet (docs/platform/live.md
§7, UNCONFIRMED). Until then, a list that misses the stream proves nothing."""
ROUNDING_MS = 1_000
"""If two times are in whole seconds and differ by no more than this, they may be of one moment."""


def published(transition: Transition, event: Published) -> None:
    session, time = transition.record.session, event.time
    if event.needs_poll:
        _await_poll(transition, time)
    elif session is None:
        _open(transition, Reason.PUBLISHED, time=time)
    elif _dates(transition, session, time) or _is_recorded_reconnect(transition, session, time):
        _learn_time(transition, session, time)
    elif time > session.began:
        _follow(transition, session, time)
    else:
        same = time == session.began
        transition.add_entry(Reason.PUBLISHED_TWICE if same else Reason.PUBLISHED_LATE)


def _await_poll(transition: Transition, time: int) -> None:
    """Handle a publish whose signature may have been replayed: nothing starts before a poll shows
    the stream, as after StreamNotFound. The time does not count until then, because a forged time
    would make the real publish look late."""
    session = transition.record.session
    settings = transition.settings
    if transition.record.is_blank and not (settings.records_on_publish or settings.occurrences):
        return  # nobody wants the stream, and its name may be made up
    if session is not None and time <= session.began:
        transition.add_entry(Reason.PUBLISHED_LATE)
    elif session is not None and time == session.unverified_publish_time:
        transition.add_entry(Reason.PUBLISHED_TWICE)
    elif session is not None and session.state is not SessionState.ENDED:
        _poll_first(transition, session, time, Reason.PUBLISHED_DOUBTED)
    else:
        _open(transition, Reason.PUBLISHED)
        if transition.record.intent.wanted or settings.occurrences:
            _mark_ending(transition, Reason.PUBLISHED_DOUBTED)
            transition.change_session(start_not_found=True)


def _follow(transition: Transition, session: Session, time: int) -> None:
    """Handle a later publish. A callback's signature does not cover its `time`. So if this publish
    would end an intent, and the rule makes no new one, a poll must see it first. No start waits for
    that.
    """
    if transition.settings.records_on_publish or not intent_rules.would_end(transition, time):
        _open(transition, Reason.PUBLISHED, time=time)
    elif time == session.unverified_publish_time:
        transition.add_entry(Reason.PUBLISHED_TWICE)
    else:
        _poll_first(transition, session, time, Reason.PUBLISHED_UNSEEN)


def _poll_first(transition: Transition, session: Session, time: int, reason: Reason) -> None:
    transition.change_session(unverified_publish_time=time)
    if session.state is SessionState.LIVE:
        _mark_ending(transition, reason)
    else:
        transition.add_entry(reason)


def _dates(transition: Transition, session: Session, time: int) -> bool:
    """Return True if the publish may be the one of a session that no callback has reported."""
    is_of_it = session.time is None and _belongs(session, time)
    return is_of_it and not _was_over(transition, time)


def _belongs(session: Session, time: int) -> bool:
    """Return True if `time` may belong to this session. An undated session may have begun at any
    time before it was opened, but later than the session before."""
    if session.before_time is not None and time <= session.before_time:
        return False
    apart = time - session.began
    return apart <= TOGETHER_MS and (session.is_undated or apart >= -TOGETHER_MS)


def _was_over(transition: Transition, time: int) -> bool:
    """Return True if the publish at `time` had ended when the start that shows the session was
    sent."""
    confirmation, ended_time = transition.record.confirmation, transition.record.unseen_end_time
    if confirmation is None or ended_time is None or not transition.record.is_started:
        return False
    return time <= ended_time and confirmation.covers(ended_time)


def _is_recorded_reconnect(transition: Transition, session: Session, time: int) -> bool:
    """Return True for a later publish that a poll could not tell from the session's own, if Live's
    answer to a start has shown since that it records. In a new session, a restart would check the
    recording that goes on."""
    # session.began ── at most 5 s ── time ── a poll, a start ── its callback comes late: now
    confirmation = transition.record.confirmation
    resumes = transition.record.intent.on_interruption is OnInterruption.RESUME
    if confirmation is None or not (resumes and transition.record.is_started):
        return False
    is_near = 0 < time - session.began <= TOGETHER_MS
    is_shown = confirmation.source in (StartSource.ACCEPTED, StartSource.ALREADY)
    is_after = is_shown and confirmation.sent_at - TOGETHER_MS > time
    return is_near and is_after and session.state is SessionState.LIVE


def _learn_time(transition: Transition, session: Session, time: int) -> None:
    """Take the publish time from the callback of a session that was already known. The callback may
    be about a reconnect, so the start is sent again unless one covers the publish."""
    transition.change_session(time=time, before_time=None)
    transition.add_entry(Reason.PUBLISH_TIME_LEARNT)
    if transition.record.is_off and time < session.off_since - POLL_AGAIN_MS:
        return  # two polls have missed the publish since, and no list is that late
    if transition.record.is_off:
        _mark_ending(transition, Reason.PUBLISH_TIME_LEARNT)
    if (
        transition.record.intent.wanted
        and time >= session.began - TOGETHER_MS
        and not _covered(transition, time)
    ):
        transition.enqueue(Command.START, Reason.PUBLISH_TIME_LEARNT)


def _covered(transition: Transition, time: int) -> bool:
    """Return True if a start clearly later than the publish was accepted, is on the wire or is
    pending, and so is about that publish or a later one."""
    record = transition.record
    if record.confirmation and record.is_started:
        return record.confirmation.covers(time)
    flight, pending = record.flight, record.pending
    if flight and flight.command is Command.START and flight.sent_at - TOGETHER_MS > time:
        return True
    is_pending = pending is not None and pending.command is Command.START
    return is_pending and transition.now - TOGETHER_MS > time


def _open(
    transition: Transition, reason: Reason, *, time: int | None = None, listed: int | None = None
) -> None:
    before = transition.record.session
    if before is not None and before.state is not SessionState.ENDED:
        transition.change(interrupted_at=transition.now)
    session = _next_session(transition, time, listed)
    transition.add_entry(reason, session=session.number)
    intent_rules.meet_session(transition, session)
    _drop_start(transition)
    ended_time = _reported_end(transition.record)
    transition.change(session=session, failure=None, unseen_end_time=None)
    if time is not None and time < ended_time:
        _mark_ending(transition)
        transition.change_session(last_unpublish_time=ended_time)
    _doubt_in_emptied_store(transition, session)
    if not intent_rules.by_policy(transition, says_why_not=True):
        _repeat_missed_stop(transition)


def _reported_end(record: StreamRecord) -> int:
    """Return Live's time of the latest end that was reported; 0 if none was. A publish before it
    was reported late: the stream has gone, or is back already."""
    # publish ── its end, reported first ── maybe the next publish ── the first one is reported: now
    known = record.session.last_unpublish_time if record.session else None
    return max(known or 0, record.unseen_end_time or 0)


def _doubt_in_emptied_store(transition: Transition, session: Session) -> None:
    """If the session began before the store was found empty, treat its recording as paused at that
    moment: the record of a stop may be lost."""
    found_at = transition.continuity.found_empty_at
    if found_at is None or transition.now - found_at >= transition.settings.merge_delay:
        return
    is_comparable = not session.is_undated and session.began <= transition.now
    if not is_comparable or session.began <= found_at:
        transition.change(interrupted_latest_at=found_at)


def open_undated(transition: Transition) -> None:
    """Open a session because Live has accepted a start. The stream is therefore live, though no
    callback or list has reported its publish yet, so the session's beginning is not known."""
    transition.change(session=_next_session(transition), failure=None)


def _next_session(
    transition: Transition, time: int | None = None, listed: int | None = None
) -> Session:
    """Return the session that follows the record's, with the times of its beginning that are
    known."""
    record = transition.record
    session = Session(record.session_number + 1, transition.now, time, listed)
    if not session.is_undated:
        return session
    return replace(session, before_time=_time_before(record.session))


def _time_before(before: Session | None) -> int | None:
    """Return Live's time of the session before, for a session that opens without a time: late news
    of an earlier publish does not date it."""
    # publish ── end ── a start or a doubted publish opens the session ── that publish is read back
    if before is None:
        return None
    return before.before_time if before.is_undated else before.began


def _drop_start(transition: Transition) -> None:
    """Drop a pending start of the earlier session, or a restart that was to check one."""
    pending = transition.record.pending
    if pending and (pending.command is Command.START or pending.reason is Reason.UNPROVED):
        transition.change(pending=None)


def _send_again(transition: Transition) -> None:
    """Send the start again, or the stop that Live did not find: the stream is back."""
    if transition.record.intent.wanted:
        transition.enqueue(Command.START, Reason.SEEN_AGAIN)
    else:
        _repeat_missed_stop(transition)


def _repeat_missed_stop(transition: Transition) -> None:
    if not transition.record.intent.wanted and _stop_missed(transition):
        transition.change(stop_not_found_at=None)
        transition.await_end()
        transition.enqueue(Command.STOP, Reason.STREAM_RETURNED)


def _stop_missed(transition: Transition) -> bool:
    missed = transition.record.stop_not_found_at
    return missed is not None and transition.now - missed < transition.settings.merge_delay


def unpublished(transition: Transition, event: Unpublished) -> None:
    session = transition.record.session
    if session is None:
        transition.add_entry(Reason.UNPUBLISHED_UNKNOWN)
        transition.change(
            interrupted_at=transition.now,  # an unknown session's recording may be paused now
            unseen_end_time=event.time,
        )
    elif session.state is not SessionState.LIVE:
        transition.add_entry(Reason.UNPUBLISHED_TWICE)
        transition.change(unseen_end_time=event.time)
    elif event.time < session.began - TOGETHER_MS:
        transition.add_entry(Reason.UNPUBLISHED_LATE)
    elif session.last_unpublish_time is not None and event.time <= session.last_unpublish_time:
        transition.add_entry(Reason.UNPUBLISHED_REFUTED)
    else:
        transition.change_session(last_unpublish_time=event.time)
        _mark_ending(transition, Reason.UNPUBLISHED)


def mark_refused(transition: Transition) -> None:
    """Record that Live answered a start with StreamNotFound. If the session was live, it is ending
    from now on, and polls decide whether the stream is there."""
    transition.change_session(start_not_found=True, last_start_not_found=True)
    session = transition.record.session
    if session is not None and session.state is SessionState.LIVE:
        _mark_ending(transition)


def _mark_ending(transition: Transition, reason: Reason | None = None) -> None:
    if reason is not None:
        transition.add_entry(reason)
    transition.change(interrupted_at=transition.now)
    transition.change_session(
        state=SessionState.ENDING, off_since=transition.now, polls=0, absent_at=None
    )


def settings_changed(transition: Transition) -> None:
    """Let policy make an intent for a live session, because the policy or the mode may have
    changed."""
    if transition.record.is_live:
        intent_rules.by_policy(transition)


def polled(transition: Transition, event: Polled) -> None:
    asked_at = min(event.asked_at, transition.now)  # the clock may have been set back meanwhile
    if event.published is None:
        _missed(transition, asked_at)
    else:
        before = transition.record.session
        _seen(transition, event.published, asked_at)
        is_same = before is not None and before.is_listed_at(event.published)
        confirmation_rules.after_poll(transition, is_same_publish=is_same)


def _missed(transition: Transition, asked_at: int) -> None:
    session = transition.record.session
    if session is None or session.state is SessionState.ENDED or asked_at < session.opened_at:
        return
    # off_since ── first poll after it that misses: absent_at ── a second, 5 s later or more: ENDED
    # A poll that was requested before off_since proves nothing about the time after it.
    if session.state is SessionState.LIVE:
        if asked_at >= session.opened_at + LISTED_AFTER_MS:
            _mark_ending(transition, Reason.NOT_SEEN)
    elif session.absent_at is None and asked_at >= session.off_since:
        transition.change_session(absent_at=asked_at)
        transition.add_entry(Reason.NOT_SEEN)
    elif session.absent_at is not None and asked_at >= session.absent_at + TOGETHER_MS:
        _end(transition)


def _end(transition: Transition) -> None:
    transition.change_session(state=SessionState.ENDED, off_since=transition.now)
    transition.change(stop_check=None)  # the recording has ended with its stream
    transition.add_entry(Reason.WENT_OFF)
    pending = transition.record.pending
    if pending and pending.command in STARTS:
        transition.change(pending=None)
        transition.add_entry(Reason.WITHHELD)
    intent_rules.end_with_session(transition)


def _seen(transition: Transition, published_at: int, asked_at: int) -> None:
    session = transition.record.session
    if session is not None and _is_reported_publish(session, published_at):
        _open(
            transition, Reason.PUBLISHED, time=session.unverified_publish_time, listed=published_at
        )
    elif session is None or published_at - session.listed > TOGETHER_MS:
        _open(transition, Reason.SEEN_ONLINE, listed=published_at)
    elif asked_at < session.off_since:
        transition.add_entry(Reason.SEEN_STALE)
    elif _is_listed(session, published_at):
        _still_there(transition, session, published_at)
    else:
        _seen_older(transition, session, published_at, asked_at)


def _seen_older(transition: Transition, session: Session, published_at: int, asked_at: int) -> None:
    """Handle a list that shows an earlier publish. The list is stale. But if it was read a minute
    or more after the session was marked as ending, the later publish never happened."""
    stale = session.state is not SessionState.ENDING or asked_at < session.off_since + POLL_AGAIN_MS
    if stale:
        transition.add_entry(Reason.SEEN_STALE)
        return
    _still_there(transition, replace(session, publish_time=published_at), published_at)


def _is_reported_publish(session: Session, published_at: int) -> bool:
    """Return True if the list shows the later publish that a callback reported. Two different times
    in the list are two publishes, however close. A list's time belongs to the callback whose time
    is nearer.
    """
    if (
        session.unverified_publish_time is None
        or abs(published_at - session.unverified_publish_time) > TOGETHER_MS
    ):
        return False
    if session.publish_time is not None:
        return published_at > session.publish_time
    return abs(published_at - session.unverified_publish_time) < abs(published_at - session.began)


def _is_listed(session: Session, published_at: int) -> bool:
    return session.is_undated or session.listed - published_at <= TOGETHER_MS


def _still_there(transition: Transition, session: Session, published_at: int) -> None:
    if _may_be_reconnect(transition, session, published_at):
        _meet_reconnect(transition, published_at)
        return
    doubted = session.state is not SessionState.LIVE or session.start_not_found
    listed = session.publish_time
    if listed is None and (session.time is None or not doubted):  # else a reconnect is possible
        listed = published_at
    transition.change_session(
        state=SessionState.LIVE, off_since=0, polls=0, publish_time=listed, start_not_found=False
    )
    if doubted:
        transition.add_entry(Reason.SEEN_AGAIN)
    if not intent_rules.by_policy(transition, says_why_not=doubted) and doubted:
        _send_again(transition)


def _may_be_reconnect(transition: Transition, session: Session, published_at: int) -> bool:
    """Return True if the first list of a recorded session shows a publish that is later than the
    callback's by more than rounding, and no start or report is about the later one."""
    # publish: session.time ── a report ── its end, lost ── the next publish, lost: published_at
    if session.time is None or session.publish_time is not None:
        return False
    report, is_later = transition.record.last_report, published_at - session.time > ROUNDING_MS
    is_reported = report is not None and report.recording and (report.time or 0) > published_at
    return (
        is_later
        and transition.record.is_started
        and session.state is SessionState.LIVE
        and not is_reported
        and not _covered(transition, published_at)
    )


def _meet_reconnect(transition: Transition, published_at: int) -> None:
    """Send the start again: an unneeded one costs a call, a missing one costs the recording."""
    transition.add_entry(Reason.MAY_BE_RECONNECT)
    transition.change(interrupted_at=transition.now)
    transition.change_session(publish_time=published_at, start_not_found=False)
    if not intent_rules.by_policy(transition) and transition.record.intent.wanted:
        transition.enqueue(Command.START, Reason.MAY_BE_RECONNECT)

"""One publish is one session: how sessions begin, are doubted and end.

LIVE ──publish_done, a look that misses it──▶ ENDING ──two looks that miss it──▶ ENDED
  ▲                                             │                                  │
  └──────────── a look that shows it ───────────┴──────────────────────────────────┘
a later publish, or a list's time more than 5 s later: the next session, whatever the standing;
but a publish that would end a wish for nothing: ENDING, and a look decides
"""

from __future__ import annotations

from shared.protocol.derived.due_times import LOOK_AGAIN
from shared.protocol.events import Looked, Published, Unpublished
from shared.protocol.policy import OnPublish
from shared.protocol.reason import Code
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import on_demand
from shared.protocol.rules.transition import Turn
from shared.protocol.state.confirmation import How
from shared.protocol.state.session import TOGETHER, Session, Standing
from shared.protocol.stream import Command
from shared.quick import replace


def published(turn: Turn, happening: Published) -> None:
    session, time = turn.record.session, happening.time
    if session is None:
        _open(turn, Code.PUBLISHED, time=time)
    elif session.time is None and _belongs(session, time):
        _learn_time(turn, session, time)
    elif time > session.began:
        _follow(turn, session, time)
    else:
        same = time == session.began
        turn.note(Code.PUBLISHED_TWICE if same else Code.PUBLISHED_LATE)


def _follow(turn: Turn, session: Session, time: int) -> None:
    """What signs a callback covers no `time`. Where this one would end a wish, and the rule makes
    none in its place, a look has to see the publish first; nothing that is to start waits for it.
    """
    records = turn.terms.rule.on_publish is OnPublish.RECORD
    if records or not intent_rules.would_end(turn, time):
        _open(turn, Code.PUBLISHED, time=time)
    elif time == session.told_time:
        turn.note(Code.PUBLISHED_TWICE)
    else:
        _look_first(turn, session, time)


def _look_first(turn: Turn, session: Session, time: int) -> None:
    turn.change_session(told_time=time)
    if session.standing is Standing.LIVE:
        _mark_ending(turn, Code.PUBLISHED_UNSEEN)
    else:
        turn.note(Code.PUBLISHED_UNSEEN)


def _belongs(session: Session, time: int) -> bool:
    """An undated session may have begun at any time before it was opened."""
    apart = time - session.began
    return apart <= TOGETHER and (session.is_undated or apart >= -TOGETHER)


def _learn_time(turn: Turn, session: Session, time: int) -> None:
    """Known before its callback came. That may be of a reconnect, so the start goes out again."""
    turn.change_session(time=time)
    turn.note(Code.PUBLISH_TIME_LEARNT)
    if turn.record.is_off:
        _mark_ending(turn, Code.PUBLISH_TIME_LEARNT)
    if turn.record.wish.wanted and time >= session.began - TOGETHER and not _covered(turn, time):
        turn.owe(Command.START, Code.PUBLISH_TIME_LEARNT)


def _covered(turn: Turn, time: int) -> bool:
    """A start that Live accepts clearly later than a publish is of that publish, or of a later one:
    one accepted already, on its way, or owed since."""
    started, flight, owed = turn.record.started, turn.record.flight, turn.record.owed
    if started and turn.record.is_started:
        return started.how is How.ACCEPTED and started.since > time
    if flight and flight.command is Command.START and flight.sent_at - TOGETHER > time:
        return True
    return owed is not None and owed.command is Command.START and turn.now - TOGETHER > time


def _open(turn: Turn, why: Code, *, time: int | None = None, listed: int | None = None) -> None:
    before = turn.record.session
    if before is not None and before.standing is not Standing.ENDED:
        turn.change(interrupted_at=turn.now)
    number = turn.record.session_number + 1
    turn.note(why, session=number)
    session = Session(number, turn.now, time, listed)
    intent_rules.meet_session(turn, session)
    _drop_own_restart(turn)
    turn.change(session=session, failed=None)
    if not intent_rules.by_policy(turn, says_why_not=True):
        _meet_wish(turn, why)
    on_demand.opened(turn)


def open_undated(turn: Turn) -> None:
    """An accepted start proves a live stream that no callback and no list has told of, or not since
    the session before it ended."""
    turn.change(session=Session(turn.record.session_number + 1, turn.now), failed=None)


def _drop_own_restart(turn: Turn) -> None:
    """It was to prove a start of the session before."""
    owed = turn.record.owed
    if owed and owed.why is Code.UNPROVED:
        turn.change(owed=None)


def _meet_wish(turn: Turn, why: Code) -> None:
    """The stream is there: start what is wanted, stop again what a stop missed."""
    if turn.record.wish.wanted:
        turn.owe(Command.START, why)
    elif _stop_missed(turn):
        turn.change(stop_missed_at=None)
        turn.owe(Command.STOP, Code.STREAM_RETURNED)


def _stop_missed(turn: Turn) -> bool:
    missed = turn.record.stop_missed_at
    return missed is not None and turn.now - missed < turn.terms.merge_delay


def unpublished(turn: Turn, happening: Unpublished) -> None:
    session = turn.record.session
    if session is None:
        turn.note(Code.UNPUBLISHED_TWICE)
        turn.change(interrupted_at=turn.now)  # what it was, its recording may be paused now
    elif session.standing is not Standing.LIVE:
        turn.note(Code.UNPUBLISHED_TWICE)
    elif happening.time < session.began - TOGETHER:
        turn.note(Code.UNPUBLISHED_LATE)
    elif session.done_time is not None and happening.time <= session.done_time:
        turn.note(Code.UNPUBLISHED_TWICE)  # and found untrue since
    else:
        turn.change_session(done_time=happening.time)
        _mark_ending(turn, Code.UNPUBLISHED)


def mark_refused(turn: Turn) -> None:
    """Live knows no such stream: the next look decides who is right."""
    turn.change_session(refused_start=True, refused_last=True)
    session = turn.record.session
    if session is not None and session.standing is Standing.LIVE:
        _mark_ending(turn, Code.NOT_LIVE)


def _mark_ending(turn: Turn, why: Code) -> None:
    turn.note(why)
    turn.change(interrupted_at=turn.now)
    turn.change_session(standing=Standing.ENDING, off_since=turn.now, looks=0, absent_at=None)


def looked(turn: Turn, happening: Looked) -> None:
    if happening.published is None:
        _missed(turn, happening.asked_at)
    else:
        _seen(turn, happening.published, happening.asked_at)


def _missed(turn: Turn, asked_at: int) -> None:
    session = turn.record.session
    if session is None or session.standing is Standing.ENDED or asked_at < session.opened_at:
        return
    if session.standing is Standing.LIVE:
        _mark_ending(turn, Code.NOT_SEEN)
    elif session.absent_at is None and asked_at >= session.off_since:
        turn.change_session(absent_at=asked_at)
        turn.note(Code.NOT_SEEN)
    elif session.absent_at is not None and asked_at >= session.absent_at + TOGETHER:
        _end(turn)


def _end(turn: Turn) -> None:
    turn.change_session(standing=Standing.ENDED, off_since=turn.now)
    turn.note(Code.WENT_OFF)
    owed = turn.record.owed
    if owed and owed.command in (Command.START, Command.RESTART):
        turn.change(owed=None)
        turn.note(Code.WITHHELD)
    intent_rules.end_with_session(turn)


def _seen(turn: Turn, published_at: int, asked_at: int) -> None:
    session = turn.record.session
    if session is not None and _is_told(session, published_at):
        _open(turn, Code.PUBLISHED, time=session.told_time, listed=published_at)
    elif session is None or published_at - session.listed > TOGETHER:
        _open(turn, Code.SEEN_ONLINE, listed=published_at)
    elif asked_at < session.off_since:
        turn.note(Code.SEEN_STALE)
    elif _is_listed(session, published_at):
        _still_there(turn, session, published_at)
    else:
        _seen_older(turn, session, published_at, asked_at)


def _seen_older(turn: Turn, session: Session, published_at: int, asked_at: int) -> None:
    """The list is stale; but where it says so of an ending session for a minute, the publish that
    it does not show was never one."""
    stale = session.standing is not Standing.ENDING or asked_at < session.off_since + LOOK_AGAIN
    if stale:
        turn.note(Code.SEEN_STALE)
        return
    _still_there(turn, replace(session, publish_time=published_at), published_at)


def _is_told(session: Session, published_at: int) -> bool:
    """The list shows the later publish that was told of. Two times of its own are two however near
    they are; of two callbacks it shows the nearer one."""
    if session.told_time is None or abs(published_at - session.told_time) > TOGETHER:
        return False
    if session.publish_time is not None:
        return published_at > session.publish_time
    return abs(published_at - session.told_time) < abs(published_at - session.began)


def _is_listed(session: Session, published_at: int) -> bool:
    return session.is_undated or session.listed - published_at <= TOGETHER


def _still_there(turn: Turn, session: Session, published_at: int) -> None:
    doubted = session.standing is not Standing.LIVE or session.refused_start
    listed = session.publish_time
    if listed is None and (session.time is None or not doubted):  # else it may be of a reconnect
        listed = published_at
    turn.change_session(
        standing=Standing.LIVE, off_since=0, looks=0, publish_time=listed, refused_start=False
    )
    if doubted:
        turn.note(Code.SEEN_AGAIN)
    if not intent_rules.by_policy(turn, says_why_not=doubted) and doubted:
        _meet_wish(turn, Code.SEEN_AGAIN)

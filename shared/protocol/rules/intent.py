"""How wishes are made and ended: by people, by policy, by time, by the stream itself."""

from __future__ import annotations

from shared.protocol.derived.phase import Phase, phase
from shared.protocol.events import (
    CancelDelayAsked,
    ExtendAsked,
    RestartAsked,
    StartAsked,
    StopAsked,
)
from shared.protocol.policy import OnInterruption, OnPublish
from shared.protocol.reason import Code
from shared.protocol.rules.transition import Turn
from shared.protocol.state.intent import By, Wish
from shared.protocol.state.recording import Recording
from shared.protocol.state.session import TOGETHER, Session, Standing
from shared.protocol.stream import Command


def start(turn: Turn, asked: StartAsked) -> None:
    if turn.record.wish.wanted:
        _start_again(turn, asked)
        return
    turn.new_wish(
        wanted=True,
        by=By.PERSON,
        why=Code.ASKED_START,
        who=asked.who,
        reason=asked.reason,
        on_interruption=asked.on_interruption or OnInterruption.RESUME,
        if_not_live=asked.if_not_live,
        max_duration=asked.max_duration,
        until=asked.until,
    )
    turn.note(Code.ASKED_START, who=asked.who, reason=asked.reason)
    _send_start(turn, Code.ASKED_START)


def _start_again(turn: Turn, asked: StartAsked) -> None:
    """A second start moves the end and takes the wish over from policy; it sends nothing unless
    nothing else is being tried. Asked when the stream is gone, or may be, or was never recorded
    since it came, it is about the session in which a start will be accepted."""
    turn.change_wish(
        by=By.PERSON,
        made_at=turn.now,
        who=asked.who,
        reason=asked.reason or turn.record.wish.reason,
        on_interruption=asked.on_interruption or turn.record.wish.on_interruption,
        if_not_live=asked.if_not_live,
        session=turn.record.wish.session if _is_recorded_here(turn.record) else None,
    )
    _set_end(turn, asked.max_duration, asked.until)
    turn.note(Code.ASKED_AGAIN, who=asked.who)
    if turn.record.owed is None and not turn.record.is_started:
        turn.change(failed=None)
        _send_start(turn, Code.ASKED_AGAIN)


def _is_recorded_here(record: Recording) -> bool:
    """A start was accepted in the session of now, which surely goes on."""
    surely_live = record.session is not None and record.session.standing is Standing.LIVE
    here = record.is_started or record.wish.session == record.session_number
    return surely_live and here


def _send_start(turn: Turn, why: Code) -> None:
    """A start of this session that is on the wire already serves the new wish as well."""
    flight = turn.record.flight
    served = flight and flight.command is Command.START
    if flight and served and flight.session == turn.record.session_number:
        turn.change_wish(claimed=True)
    else:
        turn.owe(Command.START, why)


def extend(turn: Turn, asked: ExtendAsked) -> None:
    if not turn.record.wish.wanted:
        turn.refused = Code.NOT_WANTED
        return
    _set_end(turn, asked.max_duration, asked.until)
    turn.note(Code.ASKED_EXTEND, who=asked.who, until=turn.record.wish.until or 0)


def _set_end(turn: Turn, max_duration: int | None, until: int | None) -> None:
    if max_duration is None and until is None:
        return
    turn.change_wish(max_duration=max_duration, until=until)
    if turn.record.wish.first_accepted_at is not None:
        count_from_first_start(turn, turn.record.wish.first_accepted_at)


def count_from_first_start(turn: Turn, at: int) -> None:
    """The end counts from the first accepted start and survives reconnects."""
    wish = turn.record.wish
    ceiling = turn.terms.max_duration
    limit = at + min(wish.max_duration or ceiling, ceiling)
    until = limit if wish.until is None else min(wish.until, at + ceiling)
    turn.change_wish(first_accepted_at=at, until=until)


def stop(turn: Turn, asked: StopAsked) -> None:
    pointless = _undoes_nothing(turn.record)
    hold = asked.hold if asked.hold is not None else turn.terms.hold
    turn.new_wish(
        by=By.PERSON,
        why=Code.ASKED_STOP,
        who=asked.who,
        reason=asked.reason,
        finalize=asked.finalize,
        held_until=None if asked.hold_session else turn.now + hold,
        held_session=turn.record.session_number if asked.hold_session else None,
    )
    turn.note(Code.ASKED_STOP, who=asked.who, reason=asked.reason)
    if pointless:
        turn.note(Code.NOTHING_TO_UNDO)
    else:
        turn.owe(Command.STOP, Code.ASKED_STOP)


def _undoes_nothing(record: Recording) -> bool:
    """All a stop would undo is a start never claimed, and nothing hints at a live stream."""
    untouched = record.flight is None and not record.ever_claimed
    known = (record.session, record.evidence, record.told_to_record_at)
    unseen = all(one is None for one in known)
    return record.wish.wanted and untouched and unseen


def restart(turn: Turn, asked: RestartAsked) -> None:
    record = turn.record
    running = phase(record) in (Phase.RECORDING, Phase.UNMANAGED)
    if not running and not (record.wish.wanted and record.owed):
        turn.refused = Code.NOT_LIVE if record.wish.wanted else Code.NOT_WANTED
        return
    turn.note(Code.ASKED_RESTART, who=asked.who)
    if running:
        turn.owe(Command.RESTART, Code.ASKED_RESTART)


def cancel_delay(turn: Turn, asked: CancelDelayAsked) -> None:
    record = turn.record
    if record.wish.wanted:
        turn.refused = Code.WANTED
        return
    turn.note(Code.ASKED_CANCEL_DELAY, who=asked.who)
    ahead = record.owed or record.flight
    if ahead and ahead.command is Command.STOP:
        turn.change_wish(finalize=True)
    else:
        turn.owe(Command.CANCEL_DELAY, Code.ASKED_CANCEL_DELAY)


def by_policy(turn: Turn, *, says_why_not: bool = False) -> bool:
    """Whether policy made a wish now: at most one a session, and none while an explicit stop
    holds."""
    record, rule = turn.record, turn.terms.rule
    if record.wish.wanted:
        return False
    against = _against(record, turn)
    if against is not None:
        if says_why_not:
            turn.note(against, rule=rule.name)
        return False
    turn.change(policy_session=record.session_number)
    turn.new_wish(
        wanted=True,
        by=By.POLICY,
        why=Code.RULE_RECORDS,
        who=rule.name,
        on_interruption=rule.on_interruption,
        max_duration=rule.max_duration,
    )
    turn.note(Code.RULE_RECORDS, rule=rule.name)
    _send_start(turn, Code.RULE_RECORDS)
    return True


def _against(record: Recording, turn: Turn) -> Code | None:
    if turn.terms.rule.on_publish is not OnPublish.RECORD:
        return Code.RULE_IGNORES
    if record.held_at(turn.now):
        return Code.HELD
    return Code.ONCE_PER_SESSION if record.policy_session == record.session_number else None


def end_with_session(turn: Turn) -> None:
    """The session that a `stop` or `finalize` wish belongs to is over, and so is the wish."""
    wish = turn.record.wish
    if is_bound(wish):
        _end(turn, Code.SESSION_OVER, finalize=wish.on_interruption is OnInterruption.FINALIZE)


def is_bound(wish: Wish) -> bool:
    """It ends with the session that it belongs to."""
    resumes = wish.on_interruption is OnInterruption.RESUME
    return wish.wanted and not resumes and bool(wish.session)


def would_end(turn: Turn, began: int) -> bool:
    """Whether a session that opens, begun at `began`, ends the wish."""
    kept = belongs_to_next(turn, began) or _asked_since(turn.record.wish, began)
    return is_bound(turn.record.wish) and not kept


def meet_session(turn: Turn, session: Session) -> None:
    """What becomes of the wish as a session opens."""
    wish = turn.record.wish
    if belongs_to_next(turn, session.began):
        turn.change_wish(session=session.number)
    elif is_bound(wish) and _asked_since(wish, session.began):
        turn.change_wish(session=None)
    else:
        end_with_session(turn)


def _asked_since(wish: Wish, began: int) -> bool:
    """A person asked again when the session had begun and nobody had told of it: it was meant."""
    return wish.made_at > began + TOGETHER


def belongs_to_next(turn: Turn, began: int) -> bool:
    """The session that opens was there already when a start of the wish was first accepted: news
    of it came late, and what was taken for the one before it was this one."""
    wish, session = turn.record.wish, turn.record.session
    accepted = wish.first_accepted_at
    if not wish.wanted or accepted is None or session is None:
        return False
    was_doubted = session.standing is not Standing.LIVE and session.off_since < accepted
    return accepted - began > (-TOGETHER if was_doubted else TOGETHER)


def end_by_time(turn: Turn) -> None:
    wish = turn.record.wish
    if wish.wanted and wish.until is not None and turn.now >= wish.until:
        _end(
            turn,
            Code.TIME_OVER,
            finalize=wish.on_interruption is OnInterruption.FINALIZE,
            held_session=turn.record.session_number,
            held_opening_before=turn.now + turn.terms.merge_delay,
        )


def end_never_live(turn: Turn) -> None:
    _end(turn, Code.NEVER_LIVE, finalize=False)


def give_up(turn: Turn) -> None:
    """Asked to fail when the stream is not live, and it is not."""
    _end(turn, Code.GAVE_UP_NOT_LIVE, finalize=False, send=False)


def _end(  # noqa: PLR0913 - what an ended wish keeps
    turn: Turn,
    why: Code,
    *,
    finalize: bool,
    send: bool = True,
    held_session: int | None = None,
    held_opening_before: int | None = None,
) -> None:
    claimed = turn.record.wish.claimed
    turn.new_wish(
        by=By.END,
        why=why,
        finalize=finalize,
        held_session=held_session,
        held_opening_before=held_opening_before,
    )
    turn.note(why)
    if claimed and send:
        turn.owe(Command.STOP, why)

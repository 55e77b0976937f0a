"""The protocol of one stream: something happened -> its next record, and at most one command."""

from __future__ import annotations

from shared.domain import answers, on_demand, reports, sessions, wishes
from shared.domain.because import Code, Note
from shared.domain.happenings import (
    HOUR,
    CancelDelayAsked,
    ExtendAsked,
    FileFailed,
    FileLeft,
    Happening,
    Looked,
    OnDemandAnswered,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    RestartAsked,
    Sent,
    StartAsked,
    StopAsked,
    Terms,
    TimePassed,
    Unpublished,
)
from shared.domain.record import NEVER_LIVE, By, Flight, How, Once, Recording, Started, next_look
from shared.domain.stream import Command
from shared.domain.turn import Turn
from shared.quick import dataclass, replace

CONFIRM_AGAIN = 60_000
"""A start that Live accepted is not repeated sooner, confirmed or not."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`look`: the online list should be asked now. `refused`: the ask was turned down, and why."""

    record: Recording
    notes: tuple[Note, ...]
    look: bool
    refused: Code | None


def decide(record: Recording, happening: Happening, now: int, terms: Terms) -> Decision:
    turn = Turn(record, now, terms)
    if not isinstance(happening, Sent):
        _pass_time(turn)
    if not _asked_before(turn, happening):
        _happen(turn, happening)
        if turn.refused:  # its key may be used again, once the stream stands otherwise
            turn.change(asked=record.asked)
    if turn.record != record:
        turn.change(changed_at=now)
    return Decision(turn.record, tuple(turn.notes), turn.look, turn.refused)


ONCE = 24 * HOUR
"""How long an Idempotency-Key is remembered,"""
KEYS = 100
"""unless so many newer ones were used: a record does not grow without end."""


def _asked_before(turn: Turn, happening: Happening) -> bool:
    """The same key again changes nothing; a new one is remembered with what it asked."""
    once = getattr(happening, "once", None)
    if not isinstance(once, Once):
        return False
    kept = tuple(ask for ask in turn.record.asked if turn.now - ask.at < ONCE)
    before = next((ask for ask in kept if ask.key == once.key), None)
    if before is None:
        turn.change(asked=(*kept, replace(once, at=turn.now))[-KEYS:])
        return False
    turn.refused = None if before.digest == once.digest else Code.KEY_REUSED
    turn.note(Code.ASKED_BEFORE if turn.refused is None else Code.KEY_REUSED)
    return True


def _happen(turn: Turn, happening: Happening) -> None:  # noqa: C901, PLR0912 - the closed union
    match happening:
        case StartAsked():
            wishes.start(turn, happening)
        case StopAsked():
            wishes.stop(turn, happening)
        case ExtendAsked():
            wishes.extend(turn, happening)
        case RestartAsked():
            wishes.restart(turn, happening)
        case CancelDelayAsked():
            wishes.cancel_delay(turn, happening)
        case Published():
            sessions.published(turn, happening)
        case Unpublished():
            sessions.unpublished(turn, happening)
        case Looked():
            sessions.looked(turn, happening)
        case Sent():
            answers.settle(turn, happening)
        case Reported():
            reports.reported(turn, happening)
        case RecordFailed():
            reports.failed(turn, happening)
        case FileLeft():
            reports.file_left(turn, happening)
        case FileFailed():
            reports.file_failed(turn, happening)
        case OnDemandAnswered():
            on_demand.answered(turn, happening)
        case Remarked():
            reports.remarked(turn, happening)
        case TimePassed():
            _check(turn)
        case _:  # pragma: no cover - the union is closed, and mypy knows it
            raise AssertionError(happening)


def _pass_time(turn: Turn) -> None:
    """What time alone has done by now, whatever else happens."""
    flight = turn.record.flight
    if flight is not None and turn.now >= flight.lease_until:
        answers.lapse(turn, flight)
    _end_doubts(turn)
    wishes.end_by_time(turn)
    wish = turn.record.wish
    unseen = wish.wanted and wish.by is By.POLICY and turn.record.session is None
    if unseen and turn.now >= wish.made_at + NEVER_LIVE:
        wishes.end_never_live(turn)


_AGAINST_A_START = (Command.STOP, Command.CANCEL_DELAY)
_AGAINST_A_STOP = (Command.START, Command.RESTART)


def _end_doubts(turn: Turn) -> None:
    """What was in doubt has landed by now or never will: say once more what is wanted."""
    over = [doubt for doubt in turn.record.doubts if doubt.until <= turn.now]
    if not over:
        return
    rest = tuple(doubt for doubt in turn.record.doubts if doubt.until > turn.now)
    turn.change(doubts=rest)
    if turn.record.restart_doubted and not turn.may_still_land(Command.RESTART):
        turn.note(Code.RESTART_UNKNOWN)
        turn.change(restart_doubted=False)
        _heal(turn)
    against = _AGAINST_A_START if turn.record.wish.wanted else _AGAINST_A_STOP
    if any(doubt.command in against and not turn.is_unmanaged(doubt) for doubt in over):
        turn.owe_wish(Code.ECHO)


def _heal(turn: Turn) -> None:
    """A restart that was lost may leave a pause. Once no pause can last, one start tells."""
    if turn.record.wish.wanted and turn.record.owed is None:
        turn.owe(Command.START, Code.RESTART_UNKNOWN, after=turn.terms.merge_delay)


def _check(turn: Turn) -> None:
    session = turn.record.session
    look_at = next_look(session) if session else None
    if session and look_at is not None and turn.now >= look_at:
        turn.change_session(looks=session.looks + 1)
        turn.look = True
    started = turn.record.started
    if started and started.check_at is not None and turn.now >= started.check_at:
        _doubt_silence(turn, started)


def _doubt_silence(turn: Turn, started: Started) -> None:
    """Live said yes and nothing since. Look first; then say it again, once a session."""
    if not turn.record.wish.wanted or not turn.record.is_started or turn.record.is_off:
        turn.change(started=replace(started, check_at=None))
    elif started.how is How.ADOPTED and started.repeated:
        turn.change(started=replace(started, check_at=None))
        turn.owe(Command.START, Code.UNPROVED)
    elif started.how is How.ADOPTED:
        turn.change(started=replace(started, check_at=None, repeated=True))
        if not turn.may_still_land(Command.RESTART):  # else it heals when its doubt ends
            turn.owe(Command.RESTART, Code.UNPROVED)
    elif started.how is How.ON_DEMAND:
        turn.change(started=replace(started, check_at=None))
        turn.owe(Command.START, Code.UNCONFIRMED)
    elif not started.looked:
        again_at = started.at + CONFIRM_AGAIN
        turn.change(started=replace(started, check_at=again_at, looked=True))
        turn.look = True
    else:
        turn.change(started=replace(started, check_at=None, repeated=True))
        turn.owe(Command.START, Code.UNCONFIRMED)


def claim(record: Recording, flight: str, now: int) -> Recording | None:
    """The record with what it owes on the wire; None while that must not or need not be.

    The store adds the slot and the lease.
    """
    owed = record.owed
    if owed is None or record.flight is not None or now < owed.not_before or _contradicts(record):
        return None
    number = record.session_number
    taken = Flight(flight, owed.command, owed.why, owed.gen, number, owed.since, owed.attempts)
    flying = replace(record, owed=None, flight=taken, ever_claimed=True)
    if owed.command is Command.START:
        return replace(flying, wish=replace(record.wish, claimed=True))
    if owed.command is not Command.STOP:
        return flying
    return replace(flying, stopped_at=max(record.stopped_at or 0, now))


def _contradicts(record: Recording) -> bool:
    owed, wish = record.owed, record.wish
    if owed is None or owed.gen != wish.gen:
        return True
    if owed.command is Command.START:
        return not wish.wanted
    return wish.wanted and owed.command in (Command.STOP, Command.CANCEL_DELAY)

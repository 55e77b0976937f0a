"""The protocol of one stream: something happened -> its next record, and at most one command."""

from __future__ import annotations

from shared.protocol.derived.due_times import NEVER_LIVE, next_look
from shared.protocol.events import (
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
from shared.protocol.reason import Code, Note
from shared.protocol.rules import command_result, idempotency, on_demand, reassert, recording_status
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Turn
from shared.protocol.state.confirmation import How, Started
from shared.protocol.state.intent import By
from shared.protocol.state.recording import Recording
from shared.protocol.stream import Command
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
    if not idempotency.is_repeated_request(turn, happening):
        _happen(turn, happening)
        if turn.refused:  # its key may be used again, once the stream stands otherwise
            turn.change(asked=record.asked)
    if turn.record != record:
        turn.change(changed_at=now)
    return Decision(turn.record, tuple(turn.notes), turn.look, turn.refused)


def _happen(turn: Turn, happening: Happening) -> None:  # noqa: C901, PLR0912 - the closed union
    match happening:
        case StartAsked():
            intent_rules.start(turn, happening)
        case StopAsked():
            intent_rules.stop(turn, happening)
        case ExtendAsked():
            intent_rules.extend(turn, happening)
        case RestartAsked():
            intent_rules.restart(turn, happening)
        case CancelDelayAsked():
            intent_rules.cancel_delay(turn, happening)
        case Published():
            session_rules.published(turn, happening)
        case Unpublished():
            session_rules.unpublished(turn, happening)
        case Looked():
            session_rules.looked(turn, happening)
        case Sent():
            command_result.settle(turn, happening)
        case Reported():
            recording_status.reported(turn, happening)
        case RecordFailed():
            recording_status.failed(turn, happening)
        case FileLeft():
            recording_status.file_left(turn, happening)
        case FileFailed():
            recording_status.file_failed(turn, happening)
        case OnDemandAnswered():
            on_demand.answered(turn, happening)
        case Remarked():
            recording_status.remarked(turn, happening)
        case TimePassed():
            _check(turn)
        case _:  # pragma: no cover - the union is closed, and mypy knows it
            raise AssertionError(happening)


def _pass_time(turn: Turn) -> None:
    """What time alone has done by now, whatever else happens."""
    flight = turn.record.flight
    if flight is not None and turn.now >= flight.lease_until:
        command_result.lapse(turn, flight)
    reassert.end_doubts(turn)
    intent_rules.end_by_time(turn)
    wish = turn.record.wish
    unseen = wish.wanted and wish.by is By.POLICY and turn.record.session is None
    if unseen and turn.now >= wish.made_at + NEVER_LIVE:
        intent_rules.end_never_live(turn)


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

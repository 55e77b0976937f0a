"""What Live reports of the recording itself. Its reports come late and carry no identity: they
confirm, they wake an echo early, and they never stop what nobody asked us to manage."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.because import Code
from shared.domain.happenings import FileFailed, FileLeft, RecordFailed, Remarked, Reported
from shared.domain.record import Evidence, Failed
from shared.domain.stream import Command
from shared.domain.turn import Turn


def reported(turn: Turn, happening: Reported) -> None:
    evidence = Evidence(recording=happening.recording, what=happening.what, at=turn.now)
    turn.change(evidence=evidence)
    if happening.recording:
        _runs(turn, happening.what)
    else:
        turn.note(Code.PAUSED, what=happening.what)
        _start_early(turn)


def _runs(turn: Turn, what: str) -> None:
    turn.change(restart_doubted=False)
    if turn.record.wish.wanted:
        _confirm(turn, what)
    elif turn.may_still_land(Command.START, Command.RESTART):
        turn.owe(Command.STOP, Code.EARLY_ECHO)
    elif turn.record.told_to_record_at is not None:
        turn.note(Code.CONFIRMED, what=what)
    else:
        turn.note(Code.UNMANAGED, what=what)


def _confirm(turn: Turn, what: str) -> None:
    turn.note(Code.CONFIRMED, what=what)
    started = turn.record.started
    if started is not None and turn.record.is_started:
        turn.change(started=replace(started, confirmed=True, check_at=None))


def _start_early(turn: Turn) -> None:
    if turn.record.wish.wanted and turn.may_still_land(Command.STOP, Command.CANCEL_DELAY):
        turn.owe(Command.START, Code.EARLY_ECHO)


def failed(turn: Turn, happening: RecordFailed) -> None:
    turn.note(Code.RECORD_ERROR, code=happening.code, message=happening.message)
    turn.change(evidence=Evidence(recording=False, what="record_error", at=turn.now))
    if turn.record.wish.wanted:
        number = turn.record.session_number
        failure = Failed(number, Code.RECORD_ERROR, happening.code, turn.now)
        turn.change(failed=failure, started=None)


def file_left(turn: Turn, happening: FileLeft) -> None:
    turn.note(Code.FILE, uri=happening.uri)
    started = turn.record.started
    if started and happening.stop >= started.at:  # else it is what an older recording left
        turn.change(restart_doubted=False)
        _confirm(turn, "file")
    _start_early(turn)


def file_failed(turn: Turn, happening: FileFailed) -> None:
    """The recording behind it is none the worse, so the session has not failed."""
    turn.note(
        Code.FILE_FAILED,
        event=happening.event,
        code=happening.code,
        message=happening.message,
        uri=happening.uri,
    )


def remarked(turn: Turn, happening: Remarked) -> None:
    turn.note(Code.EXCEPTION if happening.is_exception else Code.SWITCHED, what=happening.what)

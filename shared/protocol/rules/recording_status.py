"""What Live reports of the recording itself. Its reports come late and carry no identity: they
confirm, they wake an echo early, and they never stop what nobody asked us to manage."""

from __future__ import annotations

from shared.protocol.events import FileFailed, FileLeft, RecordFailed, Remarked, Reported
from shared.protocol.reason import Code
from shared.protocol.rules.transition import Turn
from shared.protocol.state.command import DOUBT
from shared.protocol.state.confirmation import STOPPED, Evidence, Failed
from shared.protocol.state.session import TOGETHER
from shared.protocol.stream import Command

FAILED = "record_error"


def reported(turn: Turn, happening: Reported) -> None:
    what, time, before = happening.what, happening.time, turn.record.evidence
    if before and (before.is_newer(time) or before.is_same(what, time)):
        turn.note(Code.REPORTED_LATE, what=what)
        return
    news = Evidence(happening.recording, what, turn.now, time)
    if not _is_of_what_was_stopped(turn, news):
        turn.change(evidence=news)
    if happening.recording:
        _runs(turn, what, time)
    else:
        turn.note(Code.PAUSED, what=what)
        _start_early(turn, time)


def _is_of_what_was_stopped(turn: Turn, news: Evidence) -> bool:
    """That it ran, told within a minute of our own stop: who began it is not said, and most likely
    it is what the stop has ended."""
    before, wanted = turn.record.evidence, turn.record.wish.wanted
    if before is None or before.what != STOPPED or wanted:
        return False
    return news.recording and news.when <= before.at + DOUBT


def _runs(turn: Turn, what: str, time: int | None) -> None:
    _settle_restart(turn, time)
    if turn.record.wish.wanted:
        _confirm(turn, what, time)
    elif _may_be_ours(turn, time):
        turn.owe(Command.STOP, Code.EARLY_ECHO)
    elif turn.record.told_to_record_at is not None:
        turn.note(Code.CONFIRMED, what=what)
    elif turn.record.evidence and turn.record.evidence.what == STOPPED:
        turn.note(Code.REPORTED_LATE, what=what)
    else:
        turn.note(Code.UNMANAGED, what=what)


def _may_be_ours(turn: Turn, time: int | None) -> bool:
    """What runs though nobody wants it may be what a command of ours in doubt has begun."""
    if turn.may_still_land(Command.START, at=time):
        return True
    doubts = [doubt for doubt in turn.record.doubts if not turn.is_unmanaged(doubt)]
    restarts = [doubt for doubt in doubts if doubt.command is Command.RESTART]
    return any(doubt.may_explain(time) for doubt in restarts)


def _settle_restart(turn: Turn, time: int | None) -> None:
    """A restart whose answer was lost: Live records since, so it was done or is not missed."""
    restarts = [doubt for doubt in turn.record.doubts if doubt.command is Command.RESTART]
    if all(doubt.may_explain(time) for doubt in restarts):
        turn.change(restart_doubted=False)


def _confirm(turn: Turn, what: str, time: int | None) -> None:
    started = turn.record.started if turn.record.is_started else None
    if started and not started.may_explain(time):
        turn.note(Code.REPORTED_LATE, what=what)
        return
    turn.note(Code.CONFIRMED, what=what)
    if started:
        turn.confirm(started, time)


def _start_early(turn: Turn, time: int | None) -> None:
    if turn.record.wish.wanted and turn.may_still_land(Command.STOP, Command.CANCEL_DELAY, at=time):
        turn.owe(Command.START, Code.EARLY_ECHO)


def failed(turn: Turn, happening: RecordFailed) -> None:
    turn.note(Code.RECORD_ERROR, code=happening.code, message=happening.message)
    if _is_of_before(turn, happening.time):
        turn.note(Code.REPORTED_LATE, what=FAILED)
        return
    evidence = Evidence(recording=False, what=FAILED, at=turn.now, time=happening.time)
    turn.change(evidence=evidence)
    if turn.record.wish.wanted:
        number, message = turn.record.session_number, happening.message
        failure = Failed(number, Code.RECORD_ERROR, happening.code, turn.now, message)
        turn.change(failed=failure, started=None)


def _is_of_before(turn: Turn, time: int | None) -> bool:
    """It failed before what we know of by now, before this start, or before this session."""
    record = turn.record
    evidence, started, session = record.evidence, record.started, record.session
    if evidence and (evidence.is_newer(time) or evidence.is_same(FAILED, time)):
        return True
    if started and record.is_started and not started.may_explain(time):
        return True
    return time is not None and session is not None and time < session.began - TOGETHER


def file_left(turn: Turn, happening: FileLeft) -> None:
    turn.note(Code.FILE, uri=happening.uri)
    started = turn.record.started
    if started and happening.stop >= max(started.at, started.since):  # else of one before
        turn.change(restart_doubted=False)
        _confirm(turn, "file", happening.stop)
    _start_early(turn, happening.stop)


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

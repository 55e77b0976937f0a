"""Changes a record by Live's reports about the recording: its status, its errors and its files. A
report may come late, and names no session. It may confirm the recording. It may also show that an
opposite command in doubt has taken effect; the wanted command then goes out again early. No report
stops an unmanaged recording."""

from __future__ import annotations

from shared.protocol.events import FileFailed, FileLeft, RecordFailed, Remarked, Reported
from shared.protocol.reason import Reason
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules import stop_check
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import IN_DOUBT_MS
from shared.protocol.state.confirmation import FAILED, STOPPED, LastReport
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import STARTS, Command


def reported(transition: Transition, event: Reported) -> None:
    what, time, before = event.what, event.time, transition.record.last_report
    if before and (before.is_newer(time) or before.is_same(what, time)):
        transition.add_entry(Reason.REPORTED_LATE, what=what)
        return
    if not event.recording and time is None and confirmation_rules.doubt_pause(transition):
        transition.add_entry(Reason.PAUSE_DOUBTED, what=what)
        return
    report = LastReport(event.recording, what, transition.now, time)
    if not _is_of_what_was_stopped(transition, report):
        transition.change(last_report=report)
    if event.recording:
        _runs(transition, what, time)
    else:
        transition.add_entry(Reason.PAUSED, what=what)
        stop_check.end_shown(transition)
        confirmation_rules.paused(transition)
        _start_early(transition, time)


def _is_of_what_was_stopped(transition: Transition, report: LastReport) -> bool:
    """Return True for a report of recording within a minute of our own stop. Most likely the report
    is about the recording that the stop ended."""
    before, wanted = transition.record.last_report, transition.record.intent.wanted
    if before is None or before.what != STOPPED or wanted:
        return False
    return report.recording and report.when <= before.at + IN_DOUBT_MS


def _runs(transition: Transition, what: str, time: int | None) -> None:
    _settle_restart(transition, time)
    if transition.record.intent.wanted:
        _confirm(transition, what, time)
    elif _may_be_ours(transition, time):
        transition.await_end()
        transition.enqueue(Command.STOP, Reason.REASSERT_EARLY)
    elif transition.record.last_report and transition.record.last_report.what == STOPPED:
        stop_check.recording_reported(transition, is_late=True)
        transition.add_entry(Reason.REPORTED_LATE, what=what)
    else:
        stop_check.recording_reported(transition, is_late=False)
        transition.add_entry(Reason.UNMANAGED, what=what)


def _may_be_ours(transition: Transition, time: int | None) -> bool:
    """Return True if a command in doubt may have caused a recording that nobody wants."""
    starts = [doubt for doubt in transition.record.doubts if doubt.command in STARTS]
    return any(doubt.may_explain(time) and not transition.is_unmanaged(doubt) for doubt in starts)


def _settle_restart(transition: Transition, time: int | None) -> None:
    """Settle a restart whose answer was lost: Live has recorded since, so it was done or not
    needed. If the report is older than the latest start, the check of that start settles the
    restart."""
    record, confirmation = transition.record, transition.record.confirmation
    if confirmation is not None and record.is_started and not confirmation.may_explain(time):
        return
    restarts = [doubt for doubt in record.doubts if doubt.command is Command.RESTART]
    if all(doubt.may_explain(time) for doubt in restarts):
        transition.change(restart_doubted=False)


def _confirm(transition: Transition, what: str, time: int | None) -> None:
    is_believed = confirmation_rules.confirm(transition, time)
    confirmed = Reason.CONFIRMED_UNPROVED if transition.record.is_unproved else Reason.CONFIRMED
    transition.add_entry(confirmed if is_believed else Reason.REPORTED_LATE, what=what)


def _start_early(transition: Transition, time: int | None) -> None:
    if transition.record.intent.wanted and transition.may_still_land(
        Command.STOP, Command.CANCEL_DELAY, at=time
    ):
        transition.enqueue(Command.START, Reason.REASSERT_EARLY)


def failed(transition: Transition, event: RecordFailed) -> None:
    transition.add_entry(Reason.RECORD_ERROR, code=event.code, message=event.message)
    if _is_of_before(transition, event.time):
        transition.add_entry(Reason.REPORTED_LATE, what=FAILED)
        return
    about = {"code": event.code, "message": event.message}
    report = LastReport(recording=False, what=FAILED, at=transition.now, time=event.time, **about)
    transition.change(last_report=report)
    if transition.record.intent.wanted:
        confirmation_rules.fail(transition, event.code, event.message)


def _is_of_before(transition: Transition, time: int | None) -> bool:
    """Return True if the failure is older than the last report, this start or this session."""
    record = transition.record
    last_report, confirmation, session = record.last_report, record.confirmation, record.session
    if last_report and (last_report.is_newer(time) or last_report.is_same(FAILED, time)):
        return True
    if confirmation and record.is_started and not confirmation.may_explain(time):
        return True
    return time is not None and session is not None and time < session.began - TOGETHER_MS


def file_left(transition: Transition, event: FileLeft) -> None:
    transition.add_entry(Reason.FILE, uri=event.uri)
    if event.stop is None:
        return  # a file without an end may be old, and shows nothing about the present recording
    if _is_of_this_start(transition, event.stop):
        transition.change(restart_doubted=False)
        _confirm_by_file(transition, event.stop)
    stop_check.file_left(transition, event.start, event.stop)
    _start_early(transition, event.stop)


def _is_of_this_start(transition: Transition, stop: int) -> bool:
    """Return True if the last start began the recording of a file that ended at `stop`. If `stop`
    is ahead of the store's clock, the two clocks differ, and the file may belong to any recording.
    """
    # confirmation.at, confirmation.since ── stop ── now + TOGETHER_MS
    confirmation = transition.record.confirmation
    if confirmation is None or stop > transition.now + TOGETHER_MS:
        return False
    return stop >= max(confirmation.at, confirmation.since)


def _confirm_by_file(transition: Transition, stop: int) -> None:
    """Take a file that ended after the start as proof of the start, unless a pause was reported or
    the stream went away: then it may belong to the recording that ended."""
    record = transition.record
    is_denied = record.is_started and (record.denied_at is not None or record.is_pause_doubted)
    if not is_denied and confirmation_rules.confirm(transition, stop) and record.is_started:
        transition.add_entry(Reason.CONFIRMED_BY_FILE)


def file_failed(transition: Transition, event: FileFailed) -> None:
    """Record in the history that the file failed. The recording goes on, so the session has not
    failed."""
    about = {"event": event.event, "code": event.code, "message": event.message, "uri": event.uri}
    transition.add_entry(Reason.FILE_FAILED, **about)


def remarked(transition: Transition, event: Remarked) -> None:
    transition.add_entry(
        Reason.EXCEPTION if event.is_exception else Reason.SWITCHED, what=event.what
    )

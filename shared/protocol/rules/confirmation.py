"""The rules by which a confirmation (the proof that Live records the session) changes its state.

An accepted start (command_result.py) begins a confirmation; reports and time change its state. The
module does not know how the commands that it enqueues are sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.derived.wrong import lost_by
from shared.protocol.durations import doubled
from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import (
    FAILED,
    Confirmation,
    SessionFailure,
    StartSource,
)
from shared.protocol.state.confirmation import ConfirmationState as State
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, SessionState
from shared.protocol.stream import Command

CONFIRM_MS = 10_000
"""How long to wait for a report of an accepted start. This applies if reports are known to come, or
if the start may have found a paused recording."""
CONFIRM_AGAIN_MS = 60_000
"""If nothing shows that Live records after an accepted start, the start is sent again after this
time."""
MAX_CONFIRM_AGAIN_MS = 300_000
"""If Live accepts start after start and nothing shows a recording, CONFIRM_AGAIN_MS doubles up to
this."""

MAX_RETRY_CALLS = 2
"""How often an accepted start is sent again because Live reported an error within
CONFIRM_AGAIN_MS."""
LATE_REPORT_MS = 300_000
"""How late a report of a recording may come. A stage refuses a signature that is older."""
LATE_PAUSE_MS = 40_000
"""For this long after an interruption or a stop, its pause may be reported. Live tries to deliver a
callback for some 35 s (docs/platform/live.md §2)."""
POLL_MS = 5_000
"""How long a restart, which splits the file, waits for the poll that may make it needless. If the
poll fails, the restart is sent after this time."""


class Check(Struct, frozen=True):
    """The check that belongs to a state of a confirmation. It is made at `check_at`, if the state
    still lasts.

    The check enqueues `command`; if `command` is None, it polls the online list. The confirmation
    then enters the state `follows`. `check_at` is `after` ms after Live accepted the start, or
    answered that it records already. If `after` is None, `check_at` is when any pause of the
    recording must be over. If `doubles` is True, `after` doubles for each further start that Live
    has accepted without a sign of a recording, up to MAX_CONFIRM_AGAIN_MS.
    """

    after: int | None
    command: Command | None
    reason: Reason
    follows: State
    doubles: bool = False


CHECKS: Mapping[State, Check] = {
    State.AWAITING_REPORT: Check(CONFIRM_MS, None, Reason.UNCONFIRMED, State.POLLED),
    State.POLLED: Check(
        CONFIRM_AGAIN_MS, Command.START, Reason.UNCONFIRMED, State.UNCONFIRMED, doubles=True
    ),
    State.APPROVED: Check(CONFIRM_MS, Command.START, Reason.UNCONFIRMED, State.UNCONFIRMED),
    State.MAY_BE_PAUSED: Check(CONFIRM_MS, Command.RESTART, Reason.UNPROVED, State.UNCONFIRMED),
    State.MAY_GO_ON: Check(CONFIRM_MS, None, Reason.UNPROVED, State.MAY_GO_ON_POLLED),
    State.MAY_GO_ON_POLLED: Check(
        CONFIRM_MS + POLL_MS, Command.RESTART, Reason.UNPROVED, State.UNCONFIRMED
    ),
    State.WAITING_OUT_PAUSE: Check(None, Command.START, Reason.UNPROVED, State.UNCONFIRMED),
    State.CONFIRMED_UNDATED: Check(None, Command.START, Reason.UNPROVED, State.CONFIRMED),
    State.CONFIRMED_UNPROVED: Check(
        CONFIRM_AGAIN_MS, Command.START, Reason.UNPROVED, State.CONFIRMED
    ),
}
"""A state not listed here lasts until a report comes or a start is accepted."""
_REPEATS = (
    State.MAY_BE_PAUSED,
    State.MAY_GO_ON_POLLED,
    State.WAITING_OUT_PAUSE,
    State.CONFIRMED_UNDATED,
)
"""The checks of these states split a file, or wait until no pause can last; a session has at most
one of them."""

_AFTER_INTERRUPTION = (Reason.SEEN_AGAIN, Reason.PUBLISH_TIME_LEARNT, Reason.MAY_BE_RECONNECT)
"""Reasons of a start that is unneeded if the list shows that the recorded publish went on."""


def begin(
    transition: Transition,
    source: StartSource,
    sent_at: int,
    *,
    anew: bool = False,
    is_repeat: bool = False,
) -> None:
    """Begin the confirmation of the session, because Live has accepted a command, or has answered
    that it records already.

    `source` says which answer Live gave, and `sent_at` is when the command was sent. If Live has
    reported since then that it records, the report confirms the session at once. `anew`: the
    session may once more check a recording that may be paused. `is_repeat`: this start was sent
    because nothing confirmed the start before it.
    """
    record = transition.record
    before = record.confirmation if record.is_started else None
    began_now = transition.now if source is StartSource.ACCEPTED else None
    denied = before.denied if before and source is StartSource.ACCEPTED else 0
    confirmation = Confirmation(
        record.session_number,
        transition.now,
        source,
        repeated=before is not None and before.repeated and not (anew or denied),
        since=_about_it_since(transition, source, sent_at),
        begun_at=began_now or (before.begun_at if before else None),
        denied=denied,
        sent_at=sent_at,
    )
    if source is StartSource.ACCEPTED:
        older_until = _older_until(record, is_repeat=is_repeat)
        confirmation = replace(confirmation, older_until=older_until)
        confirmation = _accepted_again(confirmation, before if is_repeat else None)
    transition.change(failure=None)
    _enter(transition, confirmation, _first_state(transition, confirmation, before))
    report = record.last_report
    if report and report.recording and report.at >= sent_at:
        confirm(transition, report.time)
    elif report and report.what == FAILED and began_now and report.at > sent_at:
        fail(transition, report.code or FAILED, report.message)  # it came before the answer


def _older_until(record: StreamRecord, *, is_repeat: bool) -> int:
    """Return until when a report without a time may be about a recording that began before the
    start that Live has just accepted; 0 if there was none. `is_repeat`: the start before this one
    began none."""
    before = record.confirmation
    if is_repeat and before is not None:
        return before.older_until
    begun_at = 0 if before is None else before.begun_at or before.at
    latest = max(begun_at, record.stopped_at or 0)
    return latest and latest + LATE_REPORT_MS


def _accepted_again(confirmation: Confirmation, before: Confirmation | None) -> Confirmation:
    """Return the confirmation, with the time since which nothing shows that Live records this
    session. If Live had carried out the start `before`, it would have answered TaskAlreadyStarted,
    unless it has reported an error since."""
    if before is None or before.unshown_since is None:
        return replace(confirmation, unshown_since=confirmation.at)
    since, again = before.unshown_since, 0 if before.denied else before.accepted_again + 1
    return replace(confirmation, unshown_since=since, accepted_again=again)


def _first_state(
    transition: Transition, confirmation: Confirmation, before: Confirmation | None
) -> State:
    source = confirmation.source
    if source is StartSource.ON_DEMAND:
        return State.APPROVED
    if source is StartSource.ADOPTED:
        return _first_of_adopted(transition, confirmation, before)
    if source is not StartSource.ACCEPTED:
        return State.UNCONFIRMED
    # Without reports, one more start shows whether Live records: it knows a running task by then.
    is_awaited = transition.settings.status_known and not confirmation.accepted_again
    return State.AWAITING_REPORT if is_awaited else State.POLLED


def _first_of_adopted(
    transition: Transition, confirmation: Confirmation, before: Confirmation | None
) -> State:
    """Return the first state after TaskAlreadyStarted: Live records, or holds a paused recording.

    If the domain sends status reports and none reported a pause, an earlier report of recording
    still counts: the interruption was only a late report of an earlier session's end.
    """
    may_go_on = _may_go_on(transition, confirmation)
    if may_go_on and before and before.is_confirmed and transition.settings.status_known:
        return State.CONFIRMED_UNDATED
    if confirmation.repeated:
        return State.WAITING_OUT_PAUSE
    return State.MAY_GO_ON if may_go_on else State.MAY_BE_PAUSED


def _may_go_on(transition: Transition, confirmation: Confirmation) -> bool:
    """Return True if Live began the recording in this session, and at most an interruption
    contradicts it: neither our stop nor a report does."""
    record, begun_at = transition.record, confirmation.begun_at
    report = record.last_report
    is_denied = report is not None and not report.recording and report.at >= (begun_at or 0)
    return begun_at is not None and (record.stopped_at or 0) <= begun_at and not is_denied


def _about_it_since(transition: Transition, source: StartSource, sent_at: int) -> int:
    """Return the earliest time, by Live's clock, of a report about this start: its slot if Live
    accepted it; the latest pause if Live was recording already. A stop in doubt may pause the
    recording later, but has its own re-assertion."""
    if source in (StartSource.ACCEPTED, StartSource.ON_DEMAND):
        return sent_at - TOGETHER_MS
    return min(transition.record.paused_since, sent_at) + TOGETHER_MS


def _enter(transition: Transition, confirmation: Confirmation, state: State) -> None:
    check_at = _check_at(transition, confirmation, CHECKS[state]) if state in CHECKS else None
    began_by = transition.now if state is State.CONFIRMED else None
    entered = replace(
        confirmation, state=state, check_at=check_at, begun_at=confirmation.begun_at or began_by
    )
    if entered.is_confirmed:
        entered = replace(entered, unshown_since=None, accepted_again=0, unsent=None)
    transition.change(confirmation=replace(entered, confirmed=entered.is_confirmed))


def _check_at(transition: Transition, confirmation: Confirmation, check: Check) -> int:
    if check.after is None:
        return transition.record.paused_since + transition.settings.merge_delay
    after = check.after
    if check.doubles:
        after = doubled(after, confirmation.accepted_again, MAX_CONFIRM_AGAIN_MS)
    return confirmation.at + after


def confirm(transition: Transition, time: int | None) -> bool:
    """Handle Live's report that it has recorded since `time`. `time` is None if the report gives no
    time. Return False if the report is older than the session's last start, and so is about an
    earlier recording; otherwise return True.

    If Live answered that start with TaskAlreadyStarted while a pause was possible, the report may
    be late or replayed, and the recording may be paused. So one more start is sent as soon as any
    pause must be over. Its answer shows whether Live records. If Live accepted that start, and the
    report may be about an earlier recording, one more start is sent after CONFIRM_AGAIN_MS.
    """
    confirmation = transition.record.confirmation if transition.record.is_started else None
    if confirmation is None:
        return True
    if not confirmation.may_explain(time):
        return False
    if confirmation.source is StartSource.ADOPTED:
        spent = replace(confirmation, repeated=True)
        _enter(transition, spent, State.CONFIRMED_UNDATED)
    elif confirmation.state is not State.CONFIRMED and confirmation.may_be_older(
        time, transition.now
    ):
        _enter(transition, confirmation, State.CONFIRMED_UNPROVED)
    else:
        _enter(transition, confirmation, State.CONFIRMED)
    return True


def fail(transition: Transition, code: str, message: str = "") -> None:
    """Handle Live's report that it could not record the session. See to it that a start is sent,
    whose answer shows whether Live records. Mark the session failed instead if no start was
    accepted or is under way, or if each of the last accepted starts was followed by an error. Do
    nothing if the session has ended."""
    if not (transition.record.is_off or _deny(transition)):
        number, now = transition.record.session_number, transition.now
        lost_since = lost_by(transition.record, now)
        failure = SessionFailure(number, Reason.RECORD_ERROR, code, now, message, lost_since)
        transition.change(failure=failure, confirmation=None)


def _deny(transition: Transition) -> bool:
    """Ask Live, by a start, whether the session really failed. Return False if that is already
    clear: no start was accepted or is under way, or each of the last accepted ones was followed by
    an error at once.

    A report does not say which recording it is about, so it may be a replay. Until the answer the
    session keeps its place under a cap, because Live may be recording it.
    """
    record = transition.record
    confirmation = record.confirmation if record.is_started else None
    if record.asks_after_error:
        return True
    if confirmation is None:
        return record.awaits_start or record.may_have_ended  # if a poll shows it, a start follows
    in_a_row = confirmation.denied if transition.now - confirmation.at < CONFIRM_AGAIN_MS else 0
    if in_a_row >= MAX_RETRY_CALLS:
        return False
    unshown_since = transition.now if confirmation.is_shown else confirmation.unshown_since
    denied = replace(confirmation, denied=in_a_row + 1, repeated=True, unshown_since=unshown_since)
    _enter(transition, denied, State.UNCONFIRMED)
    transition.enqueue(Command.START, Reason.UNCONFIRMED)
    return True


def check(transition: Transition, *, may_query_online: bool) -> None:
    """Make the check of the confirmation if it is due. A check that needs a poll stays due while
    `may_query_online` is False. If the session has ended, drop the check, because a missing report
    then means nothing. If the check is a restart, drop it even while the session is only ending."""
    confirmation = transition.record.confirmation
    at = confirmation.check_at if confirmation else None
    if confirmation is None or at is None or transition.now < at:
        return
    is_over = not transition.record.is_started or transition.record.is_off
    if is_over or not _may_split(transition, confirmation):
        lasting = State.CONFIRMED if confirmation.is_confirmed else State.UNCONFIRMED
        _enter(transition, confirmation, lasting)
        return
    if CHECKS[confirmation.state].command is None and not may_query_online:
        return
    _carry_out(transition, confirmation)


def _may_split(transition: Transition, confirmation: Confirmation) -> bool:
    """Return False for a restart while the session is ending. If the stream comes back, a start is
    sent, which makes the restart unnecessary."""
    session = transition.record.session
    ending = session is not None and session.state is not SessionState.LIVE
    return not (ending and CHECKS[confirmation.state].command is Command.RESTART)


def _carry_out(transition: Transition, confirmation: Confirmation) -> None:
    due = CHECKS[confirmation.state]
    repeated = confirmation.repeated or confirmation.state in _REPEATS
    _enter(transition, replace(confirmation, repeated=repeated), due.follows)
    if due.command is None:
        transition.query_online = True
    elif due.command is Command.START or not transition.may_still_land(Command.RESTART):
        transition.enqueue(due.command, due.reason)
    elif not transition.record.restart_doubted:  # else a start follows the end of that doubt
        _enter(transition, replace(confirmation, repeated=repeated), State.WAITING_OUT_PAUSE)


def after_poll(transition: Transition, *, is_same_publish: bool) -> None:
    """Enqueue the restart that waited for this poll, unless the poll shows that the restart is
    needless. The poll has shown the stream.

    If the list shows exactly the publish time of the session (`is_same_publish`), this publish goes
    on, and so does the recording that Live began in it. A restart would split its file. So a start
    is sent instead, as soon as any pause must be over. Its answer shows whether Live records.
    """
    confirmation, session = transition.record.confirmation, transition.record.session
    if session is None or confirmation is None or not transition.record.is_started:
        return
    goes_on = is_same_publish and _may_go_on(transition, confirmation)
    if goes_on and transition.settings.observe:
        _take_back_interruption(transition)
    if confirmation.state is not State.MAY_GO_ON_POLLED:
        return
    if goes_on:
        _enter(transition, confirmation, State.WAITING_OUT_PAUSE)
    elif session.state is SessionState.LIVE:
        _carry_out(transition, confirmation)


def _take_back_interruption(transition: Transition) -> None:
    """Believe the list that there was no interruption, because a stage that observes may not send
    the start that would show it. Live may still hold the recording paused when a stage acts again.
    """
    if transition.record.is_live and transition.record.interrupted_at is not None:
        interrupted_at = transition.record.last_interruption
        transition.change(interrupted_at=None, interrupted_latest_at=interrupted_at)
        confirmation = transition.record.confirmation
        if confirmation is not None and confirmation.unsent in _AFTER_INTERRUPTION:
            transition.change(confirmation=replace(confirmation, unsent=None))


def send_unsent(transition: Transition) -> None:
    """Enqueue the start that was not sent when it became due, because the stage only observed then.
    Do nothing if there is none."""
    confirmation = transition.record.confirmation
    if confirmation is None or confirmation.unsent is None:
        return
    transition.change(confirmation=replace(confirmation, unsent=None))
    if not transition.record.awaits_start:
        transition.enqueue_if_idle(Command.START, confirmation.unsent)


def paused(transition: Transition) -> None:
    """Plan a check of the recording, because Live has reported a pause since the session's start.

    Usually the check is one start, which is sent as soon as any pause must be over. If the report
    was late, this start does not split the file. If somebody else stopped the recording, this start
    begins it again. The check is a restart only if Live answered the last start with
    TaskAlreadyStarted, and the session has not used its one restart yet.
    """
    confirmation = transition.record.confirmation if transition.record.is_started else None
    if confirmation is None:
        return
    if confirmation.state is State.CONFIRMED_UNDATED and not confirmation.repeated:
        _enter(transition, confirmation, State.MAY_BE_PAUSED)
    elif confirmation.state in (State.CONFIRMED_UNDATED, State.CONFIRMED_UNPROVED) or (
        confirmation.is_lasting and transition.record.denied_at is not None
    ):
        _enter(transition, confirmation, State.WAITING_OUT_PAUSE)


def doubt_pause(transition: Transition) -> bool:
    """Return True if Live's report of a pause may be about the interruption before the last start
    that Live has accepted. The report gives no time.

    It is most likely about that interruption if it came just after Live had accepted this start and
    reported a recording. In case it is about a new pause, also plan a start for the time when any
    pause must be over. If it came later, treat it as an interruption, and enqueue a start. The
    answer to this start shows whether Live records.
    """
    # interruption, paused ── an accepted start ── resumed ── the report of the pause comes: now
    record, confirmation = transition.record, transition.record.confirmation
    if confirmation is None or not record.is_recorded:
        return False
    is_resumed = 0 <= confirmation.sent_at - record.paused_since < CONFIRM_MS
    is_accepted = confirmation.source is StartSource.ACCEPTED and confirmation.is_confirmed
    if is_resumed and is_accepted and transition.now - confirmation.at <= TOGETHER_MS:
        transition.change(interrupted_latest_at=transition.now)
        _enter(transition, replace(confirmation, repeated=True), State.CONFIRMED_UNDATED)
        return True
    if transition.settings.observe or not _may_be_late_pause(transition, confirmation):
        return False
    transition.change(interrupted_at=transition.now)
    transition.enqueue(Command.START, Reason.UNPROVED)
    return True


def _may_be_late_pause(transition: Transition, confirmation: Confirmation) -> bool:
    """Return True if a report of a pause may still come from before Live began to record this
    session."""
    paused_since = transition.record.paused_since
    has_begun_since = (confirmation.begun_at or 0) >= paused_since
    return has_begun_since and transition.now - paused_since < LATE_PAUSE_MS


def spend_repeat(transition: Transition) -> None:
    """Record that the session has used its one check of a recording that may be paused: Live has
    accepted the restart that made this check. The answer to another command may have allowed a
    further check since the restart was enqueued."""
    confirmation = transition.record.confirmation
    if confirmation is not None and transition.record.is_started:
        transition.change(confirmation=replace(confirmation, repeated=True))


def allow_repeat(transition: Transition) -> None:
    """Allow the session its one check of a recording that may be paused, if a start is pending. The
    start replaces the restart that would have made this check."""
    confirmation, pending = transition.record.confirmation, transition.record.pending
    if confirmation and pending and pending.command is Command.START:
        transition.change(confirmation=replace(confirmation, repeated=False))

"""The rules by which an accepted stop is checked: Live may answer 200 and record on.

A report of a pause, a file that ends with the stop, or another answer of Live shows the end. If
nothing does, the stop is sent again, but only if Live has reported the recording itself. Otherwise
Live may report nothing at all, and every stop would be sent twice: the second one could end a
recording that somebody else has begun meanwhile.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import StopCheck
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import Command

AGAIN_AFTER_MS = (60_000, 120_000, 240_000)
"""If nothing shows the end after an accepted stop, the stop is sent again after these times, each
counted from the stop before. No more stops follow, because Live may have lost the reports."""


def accepted(transition: Transition) -> None:
    """Plan the check of a stop that Live has accepted, unless the end was shown already."""
    record, now = transition.record, transition.now
    check = record.stop_check
    if check is None or record.is_off:
        transition.change(stop_check=None)
        return
    number, since = record.session_number, check.since or now
    again = replace(check, accepted=check.accepted + 1, session=number, since=since, at=now)
    transition.change(stop_check=_planned(again, now) if check.reported else again)


def _planned(check: StopCheck, now: int) -> StopCheck:
    after = AGAIN_AFTER_MS[check.accepted - 1 : check.accepted]
    return replace(check, check_at=now + after[0] if after else None)


def end_shown(transition: Transition) -> None:
    """End the check. Drop a stop that was only to be sent again."""
    pending = transition.record.pending
    transition.change(stop_check=None)
    if pending and pending.command is Command.STOP and pending.reason is Reason.END_UNREPORTED:
        transition.change(pending=None)


def recording_reported(transition: Transition, *, is_late: bool) -> None:
    """Handle a report of a recording that nobody wants. The first one may be the late report
    (`is_late`) of the recording that is to end, so its end will be reported, too. A later one may
    be about a recording that somebody else has begun, so the stop is not sent again."""
    check = transition.record.stop_check
    if check is None:
        return
    if check.reported or (check.accepted and not is_late):
        end_shown(transition)
        return
    known = replace(check, reported=True)
    transition.change(stop_check=_planned(known, transition.now) if check.accepted else known)


def file_left(transition: Transition, start: int | None, stop: int) -> None:
    """Take a file that ended with an accepted stop as proof of the end. If the file began before
    the stop and ended after it, the stop was not carried out: send it again."""
    # start ── Live accepted the stop: check.at ── stop: Live has recorded on ── now
    check = transition.record.stop_check
    if check is None or not check.accepted:
        return
    if any(abs(stop - at) <= TOGETHER_MS for at in (check.since, check.at)):
        end_shown(transition)
    elif start is not None and start < check.at < stop <= transition.now + TOGETHER_MS:
        _send_again(transition, check)


def check(transition: Transition) -> None:
    """Send the stop again if its check is due. While another command is under way, wait."""
    record, planned = transition.record, transition.record.stop_check
    if planned is None or planned.check_at is None or transition.now < planned.check_at:
        return
    if record.pending or record.flight:
        later = replace(planned, check_at=transition.now + AGAIN_AFTER_MS[0])
        transition.change(stop_check=later)
    else:
        _send_again(transition, planned)


def _send_again(transition: Transition, planned: StopCheck) -> None:
    """Enqueue the stop. A stage that observes leaves it out, and does not send it later either:
    somebody else may control the stream by then."""
    transition.change(stop_check=replace(planned, check_at=None))
    if not transition.settings.observe:
        transition.enqueue_if_idle(Command.STOP, Reason.END_UNREPORTED)

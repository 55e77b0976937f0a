"""Sends the wanted command again once an opposite command in doubt can no longer take effect."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import IN_DOUBT_MS, Doubt
from shared.protocol.stream import ENDS, STARTS, Command


def end_doubts(transition: Transition) -> None:
    """Drop the doubts that are over: each command has taken effect by now, or never will. If one of
    these commands may have undone what is wanted (such as a stop while a recording is wanted),
    enqueue the wanted command again.

    If the store's clock may have jumped since a command was sent, the command may still take
    effect. So its doubt is kept until IN_DOUBT_MS after the jump; then the wanted command is sent
    once more.
    """
    over = [doubt for doubt in transition.record.doubts if doubt.until <= transition.now]
    steady_since = transition.continuity.steady_since
    reopened = [_reopened(doubt, steady_since) for doubt in transition.record.doubts]
    rest = tuple(doubt for doubt in reopened if doubt.until > transition.now)
    if rest == transition.record.doubts:
        return
    transition.change(doubts=rest)
    _pause_until_stops_landed(transition)
    if transition.record.restart_doubted and not transition.may_still_land(Command.RESTART):
        transition.add_entry(Reason.RESTART_UNKNOWN)
        transition.change(restart_doubted=False)
        _heal(transition)
    against = ENDS if transition.record.intent.wanted else STARTS
    if any(doubt.command in against and not transition.is_unmanaged(doubt) for doubt in over):
        wanted = transition.record.intent.wanted
        if not wanted:
            transition.await_end()
        transition.enqueue(Command.START if wanted else Command.STOP, Reason.REASSERT)
    elif any(doubt.command in STARTS for doubt in over):
        _ask_after_failure(transition)


def _ask_after_failure(transition: Transition) -> None:
    """Enqueue one start, to find out whether Live records a session that a refused start has marked
    as failed. An earlier start, whose answer was lost, may have landed."""
    if transition.record.intent.wanted and transition.record.has_failed:
        transition.enqueue_if_idle(Command.START, Reason.REASSERT)


def _reopened(doubt: Doubt, steady_since: int) -> Doubt:
    # sent ── steady_since ── until, by a clock that may have jumped ── steady_since + IN_DOUBT_MS
    if doubt.until - IN_DOUBT_MS >= steady_since:
        return doubt
    return replace(doubt, until=max(doubt.until, steady_since + IN_DOUBT_MS))


def _pause_until_stops_landed(transition: Transition) -> None:
    """Treat a stop in doubt as a stop, until the last moment at which it may land."""
    record = transition.record
    lands_by = record.stop_lands_by
    if lands_by is not None and lands_by > (record.stopped_at or 0):
        transition.change(stopped_at=lands_by)


def _heal(transition: Transition) -> None:
    """Enqueue one start, due once no pause can last, because a lost restart may leave a pause. A
    session that lacks its start does not wait."""
    record = transition.record
    if record.intent.wanted and record.pending is None and not record.lacks_start:
        transition.enqueue(
            Command.START, Reason.RESTART_UNKNOWN, after=transition.settings.merge_delay
        )

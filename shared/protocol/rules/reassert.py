"""What is re-sent once a command in doubt can no longer land."""

from __future__ import annotations

from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.stream import Command

_AGAINST_A_START = (Command.STOP, Command.CANCEL_DELAY)
_AGAINST_A_STOP = (Command.START, Command.RESTART)


def end_doubts(transition: Transition) -> None:
    """End the doubts that are over at `now`: those commands have landed or never will. Re-send what
    is wanted if one of them may have undone it."""
    over = [doubt for doubt in transition.record.doubts if doubt.until <= transition.now]
    if not over:
        return
    rest = tuple(doubt for doubt in transition.record.doubts if doubt.until > transition.now)
    transition.change(doubts=rest)
    if transition.record.restart_doubted and not transition.may_still_land(Command.RESTART):
        transition.add_entry(Reason.RESTART_UNKNOWN)
        transition.change(restart_doubted=False)
        _heal(transition)
    against = _AGAINST_A_START if transition.record.intent.wanted else _AGAINST_A_STOP
    if any(doubt.command in against and not transition.is_unmanaged(doubt) for doubt in over):
        transition.enqueue_wanted(Reason.REASSERT)


def _heal(transition: Transition) -> None:
    """Enqueue one start for when no pause can last: a restart that was lost may leave a pause."""
    if transition.record.intent.wanted and transition.record.pending is None:
        transition.enqueue(
            Command.START, Reason.RESTART_UNKNOWN, after=transition.settings.merge_delay
        )

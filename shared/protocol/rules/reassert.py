"""What is sent again once a command in doubt can no longer land."""

from __future__ import annotations

from shared.protocol.reason import Code
from shared.protocol.rules.transition import Turn
from shared.protocol.stream import Command

_AGAINST_A_START = (Command.STOP, Command.CANCEL_DELAY)
_AGAINST_A_STOP = (Command.START, Command.RESTART)


def end_doubts(turn: Turn) -> None:
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

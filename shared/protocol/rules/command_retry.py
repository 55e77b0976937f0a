"""When a command is sent again, and how its answer is remembered."""

from __future__ import annotations

from shared.protocol.command_errors import LiveError, NotLive, OursToMend, Refused, Throttled
from shared.protocol.events import Accepted
from shared.protocol.reason import Code
from shared.protocol.rules.transition import Turn
from shared.protocol.state.command import Answer, Flight
from shared.protocol.stream import Command


def enqueue_retry(turn: Turn, flight: Flight, *, after: int) -> None:
    """Send it again if it is still what the wish needs and nothing newer is owed."""
    wish = turn.record.wish
    needed = {
        Command.START: wish.wanted,
        Command.STOP: not wish.wanted,
        Command.RESTART: flight.gen == wish.gen,
        Command.CANCEL_DELAY: flight.gen == wish.gen and not wish.wanted,
    }
    if turn.record.owed is None and needed[flight.command]:
        attempts, since = flight.attempts + 1, flight.since
        turn.owe(flight.command, flight.why, after=after, attempts=attempts, since=since)


def delay_before_retry(answer: Accepted | LiveError, attempts: int) -> int:
    """How long before the next attempt, in ms."""
    if isinstance(answer, OursToMend):
        return int(min(15_000 * 2**attempts, 300_000))
    if isinstance(answer, Refused):
        return 60_000
    backoff = int(min(500 * 2 ** min(attempts, 10), 30_000))
    if isinstance(answer, NotLive):
        return int(min(2 * backoff, 8_000))
    return max(answer.retry_after, backoff) if isinstance(answer, Throttled) else backoff


def remember_answer(turn: Turn, flight: Flight, answer: Accepted | LiveError, why: Code) -> None:
    code, request_id = live_code_of(answer), answer.request_id
    turn.change(answer=Answer(flight.command, why, code, request_id, turn.now))
    turn.note(why, command=flight.command.value, code=code, request_id=request_id)


def live_code_of(answer: Accepted | LiveError) -> str:
    return answer.code if isinstance(answer, LiveError) else "OK"

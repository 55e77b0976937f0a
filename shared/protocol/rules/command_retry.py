"""Decides when a command is retried, and how its answer is remembered."""

from __future__ import annotations

from shared.protocol.command_errors import (
    LiveError,
    OperatorActionNeeded,
    Retryable,
    StreamNotLive,
    UnknownRejection,
)
from shared.protocol.durations import doubled
from shared.protocol.events import Accepted
from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import Answer, Flight
from shared.protocol.stream import Command

RETRY_MS = 500
"""Pause before the first retry of a command that may succeed without help. Each further pause is
twice as long."""
MAX_RETRY_MS = 30_000
"""RETRY_MS doubles up to this."""
MAX_NOT_LIVE_RETRY_MS = 8_000
"""The longest pause before a retry of a start that Live answered with StreamNotFound just after a
publish."""
CONTRADICTION_RETRY_MS = 5_000
"""Pause before the first retry of a start that was answered StreamNotFound although the online list
shows the stream. Each further pause is twice as long."""
MAX_CONTRADICTION_RETRY_MS = 60_000
"""CONTRADICTION_RETRY_MS doubles up to this. A new publish is a new session, whose start is sent at
once."""
MAX_RETRY_AFTER_MS = 30_000
"""The longest pause that an answer of Live may demand, because a stop must not wait for minutes."""
OPERATOR_RETRY_MS = 15_000
"""Pause before the first retry of a command that needs an operator's fix. Each further pause is
twice as long."""
MAX_OPERATOR_RETRY_MS = 300_000
"""OPERATOR_RETRY_MS doubles up to this."""
UNKNOWN_RETRY_MS = 60_000
"""Pause before policy's command is retried after an undocumented error code."""


def enqueue_retry(transition: Transition, flight: Flight, *, after: int) -> None:
    """Enqueue the flight's command again, due in `after` ms, if the intent still needs the command
    and no other one is pending."""
    intent = transition.record.intent
    needed = {
        Command.START: intent.wanted,
        Command.STOP: not intent.wanted,
        Command.RESTART: flight.generation == intent.generation,
        Command.CANCEL_DELAY: flight.generation == intent.generation and not intent.wanted,
    }
    if transition.record.pending is None and needed[flight.command]:
        transition.enqueue(
            flight.command,
            flight.reason,
            after=after,
            attempts=flight.attempts + 1,
            since=flight.since,
            who=flight.who,
        )


def retry(
    transition: Transition, flight: Flight, answer: Accepted | LiveError, reason: Reason
) -> None:
    """Remember the answer, and enqueue the flight's command again after the delay that the answer
    demands, if the intent still needs the command."""
    remember_answer(transition, flight, answer, reason)
    enqueue_retry(transition, flight, after=delay_before_retry(answer, flight.attempts))


def delay_before_retry(answer: Accepted | LiveError, attempts: int) -> int:
    """Return how many ms to wait after this answer before the next attempt. `attempts` counts the
    earlier attempts, without the one that got this answer."""
    if isinstance(answer, OperatorActionNeeded):
        return delay_after_refusal(attempts)
    if isinstance(answer, UnknownRejection):
        return UNKNOWN_RETRY_MS
    if isinstance(answer, Retryable) and answer.retry_after:
        return min(answer.retry_after, MAX_RETRY_AFTER_MS)
    backoff = doubled(RETRY_MS, attempts, MAX_RETRY_MS)
    if isinstance(answer, StreamNotLive):
        return min(2 * backoff, MAX_NOT_LIVE_RETRY_MS)
    return backoff


def delay_after_refusal(attempts: int) -> int:
    """Return the delay in ms before the next attempt at a command that needs an operator's fix."""
    return doubled(OPERATOR_RETRY_MS, attempts, MAX_OPERATOR_RETRY_MS)


def delay_after_contradiction(attempts: int) -> int:
    """Return the delay in ms before the next start if Live answers StreamNotFound although the
    online list shows the stream. Such a contradiction does not end soon."""
    return doubled(CONTRADICTION_RETRY_MS, attempts, MAX_CONTRADICTION_RETRY_MS)


def longest_delay_before(attempts: int) -> int:
    """Return the longest possible delay, in ms, before an attempt of a command that had `attempts`
    attempts before; 0 for the first attempt."""
    if attempts == 0:
        return 0
    return max(delay_after_refusal(attempts - 1), UNKNOWN_RETRY_MS)


def is_repeat(transition: Transition, flight: Flight, answer: Accepted | LiveError) -> bool:
    """Return True if the flight is a retry and got the same answer as the attempt before it. The
    store keeps the history entries of such attempts as one entry with a count."""
    before = transition.record.answer
    last = (flight.command, live_code_of(answer))
    return flight.attempts > 0 and before is not None and (before.command, before.code) == last


def remember_answer(
    transition: Transition, flight: Flight, answer: Accepted | LiveError, reason: Reason
) -> None:
    code, request_id = live_code_of(answer), answer.request_id
    about = {"command": flight.command.value, "code": code}
    if not is_repeat(transition, flight, answer):
        about["request_id"] = request_id
    transition.change(answer=Answer(flight.command, reason, code, request_id, transition.now))
    transition.add_entry(reason, **about)


def live_code_of(answer: Accepted | LiveError) -> str:
    return answer.code if isinstance(answer, LiveError) else "OK"

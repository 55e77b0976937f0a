"""The experiments that exceed the account's rate limit: stops of the idle test stream.

cli.probe.run runs them only with --load: for about two seconds no other command of the account
gets through.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from cli.account import Declined
from cli.probe.experiments import Answer, Experiment, by_name
from cli.probe.test_stream import TestStream, Unanswered
from cli.texts import N_

MAX_COMMANDS = 400
"""After so many accepted commands the experiment gives up."""
QUIET_S = 1.2
"""After this pause no limiter counts earlier commands."""
WINDOW_S = 1.0
MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """The answer to one command. `at` is in seconds since the first command, `retry_after` in
    ms."""

    at: float
    code: str
    status: int
    retry_after: int

    @property
    def is_over(self) -> bool:
        """Return True if the rate limit refused the command or nothing answered."""
        return self.code.startswith("Throttling") or self.is_dropped

    @property
    def is_dropped(self) -> bool:
        return self.status == 0 and not self.code.startswith("Throttling")


def throttle_mode(test_stream: TestStream) -> Answer:
    answer = _first_over_limit(test_stream)
    mode = "drop" if answer.is_dropped else "refuse"
    return mode, f"over the limit: {answer.code or 'no answer'}"


def throttle_status(test_stream: TestStream) -> Answer:
    answer = _first_refusal(test_stream)
    return answer.status, f"{answer.code} came with status {answer.status}"


def throttle_retry_after(test_stream: TestStream) -> Answer:
    answer = _first_refusal(test_stream)
    retry_after_ms = answer.retry_after or None
    return retry_after_ms, f"{answer.code}: x-acs-retry-after {retry_after_ms or 'absent'}"


def limiter(test_stream: TestStream) -> Answer:
    """Return the kind of Live's rate limiter, "bucket" or "sliding_second". Raise Unanswered if
    commands were sent too slowly to tell.

    An empty token bucket accepts commands at its rate. A sliding second accepts none until its
    first command is one second old.
    """
    for _ in range(MAX_TRIES):
        found = classify_limiter(_send_stops(test_stream, for_seconds=WINDOW_S * 0.9))
        if found is not None:
            return found
    sentence = N_("commands were sent too slowly to reach the limit. Use a faster connection")
    raise Unanswered(sentence)


def classify_limiter(answers: Sequence[CommandAnswer]) -> Answer | None:
    """Return the kind of limiter, or None if the answers came too slowly to show it.

    Only the answers of the first second count: after it, either kind accepts commands again.
    """
    full = next((answer.at for answer in answers if answer.is_over), None)
    if full is None or full > WINDOW_S / 2:
        return None
    slot_s = WINDOW_S / max(1, sum(answer.at < full for answer in answers))
    later = [answer for answer in answers if full < answer.at < WINDOW_S * 0.9]
    if not later or later[-1].at < full + 2 * slot_s:
        return None
    taken = sum(not answer.is_over for answer in later)
    kind = "bucket" if taken else "sliding_second"
    return kind, f"after the first refusal, {taken} of {len(later)} were accepted in that second"


def _first_over_limit(test_stream: TestStream) -> CommandAnswer:
    found = next((answer for answer in _send_stops(test_stream) if answer.is_over), None)
    if found is None:
        raise Unanswered(N_("every command was accepted ({count})"), count=MAX_COMMANDS)
    return found


def _first_refusal(test_stream: TestStream) -> CommandAnswer:
    found = _first_over_limit(test_stream)
    if found.is_dropped:
        raise Unanswered(N_("a command over the limit is not answered at all"))
    return found


def _send_stops(test_stream: TestStream, for_seconds: float = 0.0) -> list[CommandAnswer]:
    """Send stops until one is over the limit, or for `for_seconds`; return the answers."""
    test_stream.reset()
    time.sleep(QUIET_S)
    began, answers = time.monotonic(), list[CommandAnswer]()
    while len(answers) < MAX_COMMANDS and (
        time.monotonic() < began + for_seconds
        or (not for_seconds and not (answers and answers[-1].is_over))
    ):
        answers.append(_send_stop(test_stream, began))
    return answers


def _send_stop(test_stream: TestStream, began: float) -> CommandAnswer:
    try:
        test_stream.account.ask("RealTimeRecordCommand", **test_stream.names, Command="stop")
    except Declined as declined:
        at = time.monotonic() - began
        return CommandAnswer(at, declined.code, declined.status, declined.retry_after)
    return CommandAnswer(time.monotonic() - began, "OK", 200, 0)


LOAD_EXPERIMENTS = by_name(
    Experiment("§1.5", "Does Live answer a command over the rate limit?", throttle_mode),
    Experiment(
        "§1.5",
        "With which HTTP status does Live answer a command over the rate limit?",
        throttle_status,
    ),
    Experiment(
        "§1.5",
        "Does the answer to a command over the rate limit say when to retry?",
        throttle_retry_after,
    ),
    Experiment("§1.5", "Does Live count per sliding second, or with a token bucket?", limiter),
)

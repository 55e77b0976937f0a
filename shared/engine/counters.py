"""The names and values of a stage's counters, which its metrics show.

The recorder adds a decision's counts to the save that it makes anyway; `Tally` keeps counts that
belong to no save. The values of each label are a fixed list: no stream's name is among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

from shared.protocol import CommandSettled, Decision, Event, Flight, Reason, StreamRecord
from shared.protocol.rules.command_result import outcome_of
from shared.protocol.stream import Command

COMMANDS: Final = "live_record_commands_total"
CALLBACKS: Final = "live_record_callbacks_total"
UNREPORTED: Final = "live_record_sessions_unreported_total"
MESSAGES: Final = "live_record_messages_total"
WEBHOOKS: Final = "live_record_webhooks_total"
OCCURRENCES: Final = "live_record_occurrences_total"
LATE_MS: Final = 60_000
"""An occurrence that begins more than this many ms after its time counts as late."""
START_SECONDS: Final = "live_record_start_duration_seconds"
START_BUCKETS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram, in s; longer times go into the bucket `+Inf`. They are floats,
because Prometheus 3 writes bounds as floats."""
START_SUM_MS: Final = "live_record_start_duration_ms"


class CallbackResult(str, Enum):
    """The result of handling a callback."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    IGNORED = "ignored"
    ANSWERED = "answered"
    REJECTED = "rejected"
    MALFORMED = "malformed"
    FAILED = "failed"


class WebhookResult(str, Enum):
    """The result of an attempt to deliver a webhook event: the receiver took it or refused it, or
    the event was skipped."""

    TAKEN = "taken"
    REFUSED = "refused"
    SKIPPED = "skipped"


class OccurrenceResult(str, Enum):
    """What happened for a stream when an occurrence of a schedule was to begin."""

    BEGUN = "begun"
    LATE = "late"
    COVERED = "covered"
    HELD = "held"
    MISSED = "missed"


_OCCURRENCES = {
    Reason.SCHEDULE_RECORDS: OccurrenceResult.BEGUN,
    Reason.SCHEDULE_COVERED: OccurrenceResult.COVERED,
    Reason.SCHEDULE_HELD: OccurrenceResult.HELD,
    Reason.SCHEDULE_MISSED: OccurrenceResult.MISSED,
}


def occurrences(result: OccurrenceResult) -> str:
    """Return the name of the counter for occurrences with this result."""
    return f'{OCCURRENCES}{{result="{result.value}"}}'


def commands(command: str, outcome: str) -> str:
    """Return the name of the counter for commands of this kind with this outcome: a reason, as
    listed in docs/errors.md."""
    return f'{COMMANDS}{{command="{command}",outcome="{outcome}"}}'


def callbacks(kind: str, result: CallbackResult) -> str:
    """Return the name of the counter for callbacks of this kind with this result."""
    parts = (CALLBACKS, '{kind="', kind, '",result="', result, '"}')
    return "".join(parts)  # each callback needs one, and `value` of an enum costs two calls


def messages(*, is_taken: bool) -> str:
    """Return the name of the counter for messages that robots accepted (`is_taken`) or refused."""
    return f'{MESSAGES}{{result="{"taken" if is_taken else "refused"}"}}'


def webhooks(result: WebhookResult) -> str:
    """Return the name of the counter for deliveries with this result."""
    return f'{WEBHOOKS}{{result="{result.value}"}}'


def start_bucket(bound: float | str) -> str:
    """Return the name of the counter of starts that took at most `bound` seconds, and longer than
    the next lower bound."""
    return f'{START_SECONDS}_bucket{{le="{bound}"}}'


def of_decision(
    event: Event, before: StreamRecord, decision: Decision, now: int
) -> Mapping[str, int]:
    """Return the names of the counters that a decision raises, each with the number to add."""
    lost = (entry for entry in decision.entries if entry.code is Reason.ANSWER_LOST)
    counts = {commands(str(entry.about["command"]), Reason.ANSWER_LOST.value): 1 for entry in lost}
    if any(entry.code is Reason.SEEN_ONLINE for entry in decision.entries):
        counts[UNREPORTED] = 1
    for name in _of_occurrences(decision, now):
        counts[name] = counts.get(name, 0) + 1
    flight = before.flight
    if isinstance(event, CommandSettled) and flight is not None and flight.id == event.flight:
        outcome = outcome_of(event.answer)
        counts[commands(flight.command.value, outcome.value)] = 1
        is_first = before.confirmation is None and decision.record.confirmation is not None
        if is_first and outcome is Reason.ACCEPTED and flight.command is Command.START:
            counts.update(_of_start(flight, now))
    return counts


def _of_occurrences(decision: Decision, now: int) -> Iterator[str]:
    begins = {one.id: one.begins_at for one in decision.record.begun}
    for entry in decision.entries:
        result = _OCCURRENCES.get(entry.code)
        if result is not None:
            began_at = begins.get(str(entry.about["occurrence"]), now)
            is_late = result is OccurrenceResult.BEGUN and now - began_at > LATE_MS
            yield occurrences(OccurrenceResult.LATE if is_late else result)


def _of_start(flight: Flight, now: int) -> Iterator[tuple[str, int]]:
    took_ms = max(now - flight.since, 0)
    fitting = (bound for bound in START_BUCKETS_S if took_ms <= bound * 1000)
    yield start_bucket(next(fitting, "+Inf")), 1
    yield START_SUM_MS, took_ms

"""The stage's metrics in Prometheus' text format.

GET /v1/metrics answers with them. Counters are in the store, so that every instance answers the
same; gauges are read from the store's indexes at each request. No metric names a stream, a domain
or a token: every label has a closed list of values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct

from functions.record_command.alerts import open_alerts
from functions.record_command.health import Facts, StageProblem, facts_of, problems_of
from functions.record_command.routes import ApiRequest
from shared.engine import counters
from shared.engine.counters import CallbackResult, OccurrenceResult, WebhookResult
from shared.engine.step_marks import AUDIT, DRAIN, REPLAY, RESYNC, SCHEDULES, began, ended
from shared.inbound.catalogue import Language
from shared.inbound.function_compute import Response
from shared.outbound.relay import Kind
from shared.outbox.endpoint import EndpointPhase
from shared.protocol import Command, Phase
from shared.protocol.policy import ConditionCode
from shared.protocol.rules.command_result import OUTCOMES

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STEPS: Final = (DRAIN, RESYNC, REPLAY, AUDIT, SCHEDULES)
Sample = tuple[str, float]
"""The name of a series, or only the labels after the metric's name, and the value."""


class Family(Struct, frozen=True):
    """One metric. `labels` is a text for the docs: each label, and its values or where they are
    listed."""

    name: str
    help: str
    labels: str = ""
    kind: Literal["counter", "gauge", "histogram"] = "gauge"


FAMILIES: Final = (
    Family(
        counters.COMMANDS,
        "Commands to Live, by outcome. Each took a slot of the rate limit",
        "command: start, stop, restart or cancel_delay; outcome: a reason of docs/errors.md",
        kind="counter",
    ),
    Family(
        counters.CALLBACKS,
        "Callbacks that arrived, by result",
        "kind: stream, record or on_demand; result: stored, unchanged, ignored, answered,"
        " rejected, malformed or failed",
        kind="counter",
    ),
    Family(
        counters.UNREPORTED,
        "Sessions that Live's list of online streams showed before any callback reported them",
        kind="counter",
    ),
    Family(
        counters.MESSAGES,
        "Messages to chat robots (docs/notify.md), by the robot's answer",
        "result: taken or refused",
        kind="counter",
    ),
    Family(
        counters.WEBHOOKS,
        "Attempts to deliver events to receivers of webhooks, by result",
        "result: taken; refused (also if nobody answered); or skipped (the receiver is paused or"
        " has ended)",
        kind="counter",
    ),
    Family(
        counters.OCCURRENCES,
        "Occurrences of schedules that were to begin, counted for each stream, by result",
        "result: begun; late (by more than a minute); covered (recorded already); held (a stop"
        " holds); or missed (over before it could begin)",
        kind="counter",
    ),
    Family(
        counters.START_SECONDS,
        "How long the first start of a session took, from its due time to Live's acceptance",
        "le",
        kind="histogram",
    ),
    Family("live_record_ready", "0 while a problem stops or delays commands, else 1"),
    Family(
        "live_record_problem",
        "1 for each problem that GET /v1/health shows",
        "code: those of docs/operate.md",
    ),
    Family("live_record_alerts", "Alerts that are open", "condition: those of docs/notify.md"),
    Family("live_record_streams", "Streams that the stage knows, by phase", "phase"),
    Family(
        "live_record_not_recorded_streams",
        "Streams that have been wanted and live, but not recorded, for at least 20 s",
    ),
    Family(
        "live_record_not_recorded_oldest_seconds",
        "For how long the longest of these streams has not been recorded; 0 if there is none",
    ),
    Family("live_record_due_streams", "Streams for which a command or a check is due now"),
    Family(
        "live_record_due_oldest_seconds", "For how long the stream that was due first has waited"
    ),
    Family(
        "live_record_quarantined_streams",
        "Streams whose handling crashed the last time, or whose record cannot be read",
    ),
    Family(
        "live_record_deliveries",
        "Tasks that follow a recording, such as verifying its file",
        "state: open (to be done) or dead (failed for good)",
    ),
    Family(
        "live_record_deliveries_oldest_seconds", "For how long the oldest open task has been due"
    ),
    Family(
        "live_record_webhook_receivers",
        "Receivers of webhooks that the policy names",
        "state: active, failing, paused or ended",
    ),
    Family(
        "live_record_unreported_streams",
        "Streams whose start Live accepted at least 20 s ago, without a report since; 100 at most",
    ),
    Family(
        "live_record_deliveries_dropped_total",
        "Tasks, open or dead, for which the store had no room",
        kind="counter",
    ),
    Family(
        "live_record_step_begin_age_seconds",
        "How long ago a step of reconcile last began",
        "step: drain, resync, replay, audit or schedules",
    ),
    Family(
        "live_record_step_end_age_seconds",
        "How long ago a step of reconcile last ended",
        "step: as in the row above",
    ),
    Family("live_record_rate_limit_slots", "Commands a second that the rate limit allows"),
    Family(
        "live_record_rate_limit_used_slots",
        "Slots of the rate limit that were used a second, on average over the last minute",
    ),
    Family(
        "live_record_rate_limit_ahead_seconds",
        "How long a new command waits for the next free slot of the rate limit",
    ),
    Family(
        "live_record_store_write_age_seconds", "How long ago a trial write to the store last worked"
    ),
    Family("live_record_store_used_bytes", "Bytes of the store's engine that are in use"),
    Family(
        "live_record_store_limit_bytes",
        "Bytes that the engine may use; absent if it has no limit or reports none",
    ),
)
"""Every metric, in the order of the answer."""


def metrics(request: ApiRequest) -> Response:
    """Return all metrics. Raise StoreUnavailable if the store does not answer."""
    app = request.invocation.app
    write = app.write_probe.result()
    facts, counted = facts_of(app, write, Language.ENGLISH), app.store.counters()
    text = exposition(facts, counted, open_alerts(app.store))
    return Response(200, text, {"Content-Type": CONTENT_TYPE})


def exposition(facts: Facts, counted: Mapping[str, int], alerts: Mapping[str, int]) -> str:
    """Return the metrics as text in Prometheus' format. `counted` holds the store's counters; those
    that this release does not know are left out. `alerts` holds the number of open alerts by
    condition."""
    measured = _measured(facts, problems_of(facts), alerts)
    lines = list[str]()
    for family in FAMILIES:
        samples: list[Sample]
        if family.name in _SERIES:
            samples = [(name, counted.get(name, 0)) for name in _SERIES[family.name]]
        elif family.kind == "histogram":
            samples = list(_histogram(counted))
        else:
            samples = [(family.name + label, number) for label, number in measured[family.name]]
        lines += [f"# HELP {family.name} {family.help}.", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{name} {_number(value)}" for name, value in samples]
    return "\n".join([*lines, ""])


_SERIES: Final[Mapping[str, list[str]]] = {
    counters.COMMANDS: [
        counters.commands(command.value, outcome.value)
        for command in Command
        for outcome in OUTCOMES
    ],
    counters.CALLBACKS: [
        counters.callbacks(kind.value, result) for kind in Kind for result in CallbackResult
    ],
    counters.UNREPORTED: [counters.UNREPORTED],
    counters.MESSAGES: [counters.messages(is_taken=is_taken) for is_taken in (True, False)],
    counters.WEBHOOKS: [counters.webhooks(result) for result in WebhookResult],
    counters.OCCURRENCES: [counters.occurrences(result) for result in OccurrenceResult],
}
"""Every counter, including those that are still 0: Prometheus sees an increase only from a value it
has read."""


def _histogram(counted: Mapping[str, int]) -> Iterator[Sample]:
    bounds = [*map(str, counters.START_BUCKETS_S), "+Inf"]
    within = [counted.get(counters.start_bucket(bound), 0) for bound in bounds]
    for bound, number in zip(bounds, accumulate(within), strict=True):
        yield counters.start_bucket(bound), number
    yield f"{counters.START_SECONDS}_sum", counted.get(counters.START_SUM_MS, 0) / 1000
    yield f"{counters.START_SECONDS}_count", sum(within)


def _measured(
    facts: Facts, problems: list[StageProblem], alerts: Mapping[str, int]
) -> Mapping[str, list[Sample]]:
    """Return, for each metric, the samples that come from the facts and the alerts."""
    lost, size, use = facts.not_recorded, facts.size, facts.use
    begun = [(step, facts.ages.get(began(step))) for step in STEPS]
    done = [(step, facts.ages.get(ended(step))) for step in STEPS]
    limit = size.limit if size else None
    receivers = Counter(endpoint.phase for endpoint in facts.endpoints.values())
    return {
        "live_record_ready": [("", 0 if any(each.stops_commands for each in problems) else 1)],
        "live_record_problem": [(f'{{code="{each.code}"}}', 1) for each in problems],
        "live_record_alerts": [
            (f'{{condition="{code.value}"}}', alerts.get(code.value, 0)) for code in ConditionCode
        ],
        "live_record_streams": [
            (f'{{phase="{phase.value}"}}', facts.phases.get(phase, 0)) for phase in Phase
        ],
        "live_record_not_recorded_streams": [("", lost.count if lost else 0)],
        "live_record_not_recorded_oldest_seconds": [("", lost.oldest_ms / 1000 if lost else 0)],
        "live_record_due_streams": [("", facts.queue.depth)],
        "live_record_due_oldest_seconds": [("", facts.queue.oldest / 1000)],
        "live_record_quarantined_streams": [("", facts.quarantined)],
        "live_record_deliveries": [
            ('{state="open"}', facts.outbox.open),
            ('{state="dead"}', facts.outbox.dead),
        ],
        "live_record_deliveries_oldest_seconds": [("", facts.outbox.oldest_ms / 1000)],
        "live_record_webhook_receivers": [
            (f'{{state="{state.value}"}}', receivers[state]) for state in EndpointPhase
        ],
        "live_record_unreported_streams": [("", facts.unshown.count if facts.unshown else 0)],
        "live_record_deliveries_dropped_total": [("", facts.outbox.dropped)],
        "live_record_step_begin_age_seconds": list(_ages(begun)),
        "live_record_step_end_age_seconds": list(_ages(done)),
        "live_record_rate_limit_slots": [("", use.rate)],
        "live_record_rate_limit_used_slots": [("", use.used)],
        "live_record_rate_limit_ahead_seconds": [("", use.ahead / 1000)],
        "live_record_store_write_age_seconds": [("", facts.write.written_ms_ago / 1000)],
        "live_record_store_used_bytes": [("", size.used)] if size else [],
        "live_record_store_limit_bytes": [] if limit is None else [("", limit)],
    }


def _ages(ages_ms: list[tuple[str, int | None]]) -> Iterator[Sample]:
    for step, age_ms in ages_ms:
        if age_ms is not None:
            yield f'{{step="{step}"}}', age_ms / 1000


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))

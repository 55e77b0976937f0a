"""The events of alerts: what receivers of webhooks are sent when one is raised, escalated,
acknowledged or resolved.

Whoever changes the book of alerts, notify and record_command, stores them in the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.alerts import Alert, AlertBook
from shared.inbound.catalogue import condition_words
from shared.outbox import OF_STAGE, EventBody, EventType, NewTask, event_task
from shared.protocol.policy import Policy

Change = tuple[EventType, Alert, str]
"""What became of an alert; the robot that it went on to, or who acknowledged it."""


def alert_events(
    policy: Policy, before: AlertBook, after: AlertBook, version: int, now: int
) -> Sequence[NewTask]:
    """Return the events of what differs between two books, those that a receiver of the policy
    wants. `version` is that of the book before."""
    if not policy.webhooks:
        return ()
    return [
        event_task(OF_STAGE, _body(change, now), now, origin=f"{alert.id} {version}", order=order)
        for order, change in enumerate(_changes(policy, before, after))
        if _is_wanted(policy, change[0], alert := change[1])
    ]


def _is_wanted(policy: Policy, kind: EventType, alert: Alert) -> bool:
    hooks = policy.webhooks
    wants = (hook for hook in hooks if alert.stream is None or hook.match.holds(alert.stream))
    return any(kind.fits(hook.events) for hook in wants)


def _changes(policy: Policy, before: AlertBook, after: AlertBook) -> Iterator[Change]:
    escalating = {rule.name: rule.sink for rule in policy.notify if rule.after}
    for name, alert in after.alerts.items():
        old = before.alerts.get(name)
        was_open = old is not None and old.is_open
        if alert.is_open and not was_open:
            yield EventType.ALERT_RAISED, alert, ""
        if alert.acknowledged_at is not None and (old is None or old.acknowledged_at is None):
            yield EventType.ALERT_ACKNOWLEDGED, alert, alert.acknowledged_by
        for rule in alert.notices:
            if rule in escalating and (old is None or rule not in old.notices):
                yield EventType.ALERT_ESCALATED, alert, escalating[rule]
        if was_open and not alert.is_open:
            yield EventType.ALERT_RESOLVED, alert, ""


def _body(change: Change, now: int) -> EventBody:
    kind, alert, who = change
    condition = alert.condition
    data: dict[str, str | int | None] = {
        "alert": alert.id,
        "condition": alert.code,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "since": condition.since,
        "text": condition_words(alert.code, condition.about, alert.cause).text,
    }
    if kind is EventType.ALERT_ACKNOWLEDGED:
        data["by"] = who
        data |= {"note": alert.note} if alert.note else {}
    if kind is EventType.ALERT_ESCALATED:
        data["sink"] = who
    return EventBody(kind, now, data, of=alert.stream)

"""Builds the events that webhook receivers get when an alert is raised, escalated, acknowledged or
resolved.

`notify` and `record_command` change the alerts, and store these events in the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.alerts.book import Alert, AlertBook
from shared.inbound.catalogue import condition_words
from shared.outbox.event import EventBody, EventType, event_task
from shared.outbox.task import OF_STAGE, NewTask
from shared.protocol.policy import Policy

Change = tuple[EventType, Alert, str]
"""The type of an event, its alert, and who it names: the robot to which the alert escalated, the
person who acknowledged it, or "" for every other type."""


def alert_events(
    policy: Policy, before: AlertBook, after: AlertBook, version: int, now: int
) -> Sequence[NewTask]:
    """Return the tasks of the events about each alert that was raised, acknowledged, escalated or
    resolved between `before` and `after`. Events that no receiver of the policy wants are left out.
    `version` is the version under which `before` is stored."""
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

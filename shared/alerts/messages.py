"""Decides which robots to notify of which alerts now: one message for each robot.

It knows no robot and writes no sentence; the caller formats and sends the messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from shared.alerts.book import Alert, AlertBook, Notice
from shared.alerts.condition import ONLY_ON_REQUEST
from shared.protocol.policy import AlertSeverity, NotifyRule

SPACING_MS = 5_000
"""ms between two messages to one robot, at least; a robot takes 20 a minute."""


class Why(str, Enum):
    """Why an alert is in a message."""

    RAISED = "raised"
    REPEATED = "repeated"
    RESOLVED = "resolved"


class Message(Struct, frozen=True):
    """The alerts in one message, each once, critical ones first. `beyond`: for each condition, the
    number of raised alerts that the message does not list."""

    sink: str
    language: str
    raised: tuple[Alert, ...] = ()
    repeated: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    beyond: Mapping[str, int] = {}


def messages(
    book: AlertBook, rules: Sequence[NotifyRule], now: int
) -> tuple[AlertBook, Sequence[Message]]:
    """Return the messages to send now, and the book that notes them as sent. A robot that got a
    message just now gets the rest in the next one."""
    sent, by_name = list[Message](), {rule.name: rule for rule in rules}
    book = replace(book, alerts=_without_ended_rules(book.alerts, by_name))
    for sink in dict.fromkeys(rule.sink for rule in rules):
        if 0 <= now - book.sent.get(sink, -SPACING_MS) < SPACING_MS:
            continue
        about = {
            alert.id: speaking
            for alert in book.alerts.values()
            if (speaking := _speaks_of(alert, [rule for rule in rules if rule.sink == sink], now))
        }
        if not about:
            continue
        alerts = {name: _noted(book.alerts[name], by, now) for name, by in about.items()}
        language = next(rule.language for rule in rules if rule.sink == sink)
        sent.append(_message(sink, language, book, about))
        book = replace(book, alerts={**book.alerts, **alerts}, sent={**book.sent, sink: now})
    return book, sent


def _without_ended_rules(
    alerts: Mapping[str, Alert], rules: Mapping[str, NotifyRule]
) -> Mapping[str, Alert]:
    """Return the alerts without notices of rules that the policy no longer has."""
    return {
        name: replace(
            alert, notices={rule: at for rule, at in alert.notices.items() if rule in rules}
        )
        if any(rule not in rules for rule in alert.notices)
        else alert
        for name, alert in alerts.items()
    }


def _speaks_of(alert: Alert, rules: Sequence[NotifyRule], now: int) -> Mapping[str, Why]:
    """Return the rules that report the alert now, each with the reason."""
    found = ((rule.name, _why(alert, rule, now)) for rule in rules)
    return {name: why for name, why in found if why is not None}


def _why(alert: Alert, rule: NotifyRule, now: int) -> Why | None:
    notice = alert.notices.get(rule.name)
    is_quiet = rule.quiet_hours is not None and rule.quiet_hours.covers(now)
    if is_quiet and alert.severity is not AlertSeverity.CRITICAL:
        return None
    if not alert.is_open:
        return Why.RESOLVED if notice else None
    if alert.acknowledged_at is not None:
        return None
    if notice is None:
        is_due = wants(rule, alert) and now - alert.raised_at >= rule.after
        return Why.RAISED if is_due else None
    is_due = rule.repeat is not None and now - notice.last_at >= rule.repeat
    return Why.REPEATED if is_due else None


def wants(rule: NotifyRule, alert: Alert) -> bool:
    """Return True if a rule covers the alert. If the rule names the condition, the alert's severity
    does not count. A rule limited to some streams covers no condition of the stage. A condition
    that is reported only on request must be named by the rule."""
    if not alert.severity.is_at_least(rule.severity) and rule.condition != alert.code:
        return False
    if alert.code in ONLY_ON_REQUEST and rule.condition != alert.code:
        return False
    if not fnmatchcase(alert.code, rule.condition):
        return False
    if alert.stream is None:
        return str(rule.match) == "*/*/*"
    return rule.match.holds(alert.stream)


def _noted(alert: Alert, by: Mapping[str, Why], now: int) -> Alert:
    notices = dict(alert.notices)
    for rule, why in by.items():
        before = notices.pop(rule, None)
        if why is not Why.RESOLVED:
            notices[rule] = (
                replace(before, last_at=now, times=before.times + 1) if before else Notice(now, now)
            )
    return replace(alert, notices=notices)


def _message(
    sink: str, language: str, book: AlertBook, about: Mapping[str, Mapping[str, Why]]
) -> Message:
    open_ = book.open
    raised = tuple(one for one in open_ if Why.RAISED in about.get(one.id, {}).values())
    is_raised = {alert.id for alert in raised}
    repeated = tuple(one for one in open_ if one.id in about and one.id not in is_raised)
    resolved = tuple(_resolved(book, about))
    codes = {alert.code for alert in raised}
    beyond = {code: count for code, count in book.beyond.items() if code in codes}
    return Message(sink, language, raised, repeated, resolved, beyond)


def _resolved(book: AlertBook, about: Mapping[str, Mapping[str, Why]]) -> Iterator[Alert]:
    for name in about:
        if not book.alerts[name].is_open:
            yield book.alerts[name]

"""Decides which alerts to report now to which robot (a bot in a group chat).

The function `notify` calls it. This module writes no sentence and sends nothing.
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
    """Why a message is about an alert: it is new, it is repeated because it still holds, or it is
    over."""

    RAISED = "raised"
    REPEATED = "repeated"
    RESOLVED = "resolved"


class Message(Struct, frozen=True):
    """What one message reports to the robot `sink`: alerts that are new (`raised`), alerts that
    still hold (`repeated`), and alerts that are over (`resolved`). Each alert is in one of the
    three. The most serious alerts come first, except among the resolved ones. `beyond`: for each
    condition code in `raised`, how many more conditions hold than the alert book lists."""

    sink: str
    language: str
    raised: tuple[Alert, ...] = ()
    repeated: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    beyond: Mapping[str, int] = {}


def messages(
    book: AlertBook, rules: Sequence[NotifyRule], now: int
) -> tuple[AlertBook, Sequence[Message]]:
    """Return the book, in which the messages are noted as sent, and the messages to send now: at
    most one for each robot. A robot that got a message less than SPACING_MS ago gets none now; what
    it misses is in its next message."""
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
    """Return the alerts without the Notices of notification rules that the policy no longer has."""
    return {
        name: replace(
            alert, notices={rule: at for rule, at in alert.notices.items() if rule in rules}
        )
        if any(rule not in rules for rule in alert.notices)
        else alert
        for name, alert in alerts.items()
    }


def _speaks_of(alert: Alert, rules: Sequence[NotifyRule], now: int) -> Mapping[str, Why]:
    """Return the names of the notification rules that report the alert now, each with the
    reason."""
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
    """Return True if the rule's condition, severity and streams fit the alert. The severity does
    not count if the rule names exactly the alert's condition, without a wildcard. Only such a rule
    covers a condition of ONLY_ON_REQUEST. A rule that is limited to some streams covers no alert
    about the stage."""
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

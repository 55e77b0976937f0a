"""The alerts of a stage: which conditions hold, who was notified of each, who acknowledged it.

The function notify keeps the book up to date and the API shows it. It is one document of the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.alerts.condition import Condition
from shared.protocol.policy import AlertSeverity
from shared.protocol.reason import HistoryEntry
from shared.protocol.stream import StreamKey

MAX_ALERT_ENTRIES = 5_000
"""Alerts that the book names one by one. What holds beyond them is counted by its condition."""
KEEP_RESOLVED_MS = 86_400_000
MAX_RESOLVED_ENTRIES = 200
LOOKS_APART_MS = 150_000
"""ms between two evaluations at most, where the timer comes each minute."""


class Notice(Struct, frozen=True):
    """A rule of the policy has notified its sink: when first, when last, how often."""

    first_at: int
    last_at: int
    times: int = 1


class Alert(Struct, frozen=True, omit_defaults=True):
    """A condition that held at `raised_at` and, if it is not resolved, still does. `notices` are by
    the rule's name; that of a rule that has notified its sink of the end is taken out. `note` is
    what whoever acknowledged it wrote."""

    condition: Condition
    raised_at: int
    notices: Mapping[str, Notice] = {}
    acknowledged_at: int | None = None
    acknowledged_by: str = ""
    note: str = ""
    resolved_at: int | None = None

    @property
    def id(self) -> str:
        return self.condition.id

    @property
    def code(self) -> str:
        return self.condition.code

    @property
    def severity(self) -> AlertSeverity:
        return self.condition.severity

    @property
    def subject(self) -> str:
        return self.condition.subject

    @property
    def stream(self) -> StreamKey | None:
        return self.condition.stream

    @property
    def cause(self) -> HistoryEntry | None:
        return self.condition.cause

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class CallbackWatch(Struct, frozen=True):
    """What the counters said when a callback was last seen to arrive: of the callbacks, and of the
    streams that only a list had shown; and since when that list shows one more."""

    callbacks: int = 0
    unreported: int = 0
    since: int | None = None

    def after(self, callbacks: int, unreported: int, now: int, *, is_first: bool) -> CallbackWatch:
        """Return the watch after a look at the counters. It begins anew in an emptied store, and
        where this look `is_first` for a while: what came up meanwhile came up unwatched."""
        if is_first or callbacks != self.callbacks or unreported < self.unreported:
            return CallbackWatch(callbacks, unreported)
        if self.since is None and unreported > self.unreported:
            return replace(self, since=now)
        return self


class CounterWatch(Struct, frozen=True):
    """What a counter said when it was last looked at, and when it last said more."""

    count: int = 0
    since: int | None = None

    def after(self, count: int, now: int) -> CounterWatch:
        """Return the watch after a look at the counter. It begins anew in an emptied store."""
        return CounterWatch(count, now if count > self.count else self.since)


class AlertBook(Struct, frozen=True, omit_defaults=True):
    """`beyond`: by condition, how many hold beyond those that are named. `sent`: when each sink was
    last sent a message. `watch` is of the callbacks, `barred` of the occurrences that were not
    recorded, whose schedules are looked at from number `barred_from` on, and `dropped` of the tasks
    that had no room; `evaluated_at` is 0 before the first time."""

    evaluated_at: int = 0
    alerts: Mapping[str, Alert] = {}
    beyond: Mapping[str, int] = {}
    sent: Mapping[str, int] = {}
    watch: CallbackWatch = CallbackWatch()
    barred: CounterWatch = CounterWatch()
    barred_from: int = 0
    dropped: CounterWatch = CounterWatch()

    def is_first_look(self, now: int) -> bool:
        """Return True if nobody has evaluated it for a while."""
        return not 0 <= now - self.evaluated_at <= LOOKS_APART_MS

    @property
    def open(self) -> Sequence[Alert]:
        """Return what is open, the gravest first, then the longest."""
        found = [alert for alert in self.alerts.values() if alert.is_open]
        return sorted(found, key=_gravity)


def _gravity(alert: Alert) -> tuple[int, int, str]:
    return (-list(AlertSeverity).index(alert.severity), alert.condition.since, alert.id)


def observed(
    book: AlertBook, found: Sequence[Condition], beyond: Mapping[str, int], now: int
) -> AlertBook:
    """Return the book after what was found now: what is new is raised, what does not hold any more
    is resolved. What there is no place for is counted."""
    holding = {condition.id: condition for condition in found}
    alerts = {
        name: _seen(alert, holding.pop(name, None), now) for name, alert in book.alerts.items()
    }
    room = max(MAX_ALERT_ENTRIES - sum(alert.is_open for alert in alerts.values()), 0)
    new = sorted(holding.values(), key=lambda one: _gravity(Alert(one, now)))
    alerts.update((one.id, Alert(one, raised_at=now)) for one in new[:room])
    counted = dict(beyond)
    for one in new[room:]:
        counted[one.code] = counted.get(one.code, 0) + 1
    return replace(book, evaluated_at=now, alerts=_kept(alerts, now), beyond=counted)


def _seen(alert: Alert, condition: Condition | None, now: int) -> Alert:
    if condition is None:
        return replace(alert, resolved_at=now) if alert.is_open else alert
    if alert.is_open:
        # Its beginning stays: that of a share of the store, say, is known of no other moment.
        since = min(alert.condition.since, condition.since)
        return replace(alert, condition=replace(condition, since=since))
    return Alert(condition, raised_at=now, notices=alert.notices)


def _kept(alerts: Mapping[str, Alert], now: int) -> Mapping[str, Alert]:
    """Return what is open, whose end is still to be reported, or ended lately."""
    ended = [alert for alert in alerts.values() if not alert.is_open and not alert.notices]
    recent = [alert for alert in ended if now - (alert.resolved_at or 0) < KEEP_RESOLVED_MS]
    recent.sort(key=lambda alert: -(alert.resolved_at or 0))
    shown = {alert.id for alert in recent[:MAX_RESOLVED_ENTRIES]}
    return {
        name: alert
        for name, alert in alerts.items()
        if alert.is_open or alert.notices or name in shown
    }


def acknowledged(book: AlertBook, alert_id: str, who: str, now: int, note: str = "") -> AlertBook:
    """Return the book in which `who` looks after an alert. One that is acknowledged stays so."""
    alert = book.alerts[alert_id]
    if alert.acknowledged_at is not None:
        return book
    alert = replace(alert, acknowledged_at=now, acknowledged_by=who, note=note)
    return replace(book, alerts={**book.alerts, alert_id: alert})


def book_to_text(book: AlertBook) -> str:
    return msgspec.json.encode(book).decode()


def book_from_text(text: str) -> AlertBook:
    """Return the book that a text holds; an empty one for "". Raise ValueError for any other."""
    try:
        return msgspec.json.decode(text, type=AlertBook) if text else AlertBook()
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error

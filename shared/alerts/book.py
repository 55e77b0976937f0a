"""The alert book of a stage: which conditions (lasting faults) hold, which robots were notified of
each, and who acknowledged it.

The function `notify` updates the book, and the API shows it. The store keeps the book as one
document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.alerts.condition import Condition
from shared.decoding import decode
from shared.protocol.policy import AlertSeverity
from shared.protocol.reason import HistoryEntry
from shared.protocol.stream import StreamKey

MAX_ALERT_ENTRIES = 5_000
"""Alerts that the book lists one by one. Further ones are only counted, by condition."""
KEEP_RESOLVED_MS = 86_400_000
MAX_RESOLVED_ENTRIES = 200
MAX_EVALUATION_GAP_MS = 150_000
"""An evaluation later than this (ms) after the last one counts as the first. The timer runs every
minute."""


class Notice(Struct, frozen=True):
    """When one notification rule of the policy first and most recently notified its robot (a bot in
    a group chat) of one alert, and how often."""

    first_at: int
    last_at: int
    times: int = 1


class Alert(Struct, frozen=True, omit_defaults=True):
    """A condition (a lasting fault) that `notify` found at `raised_at`. `resolved_at` is when the
    condition was over; None while it holds. `notices` maps the name of each notification rule that
    has reported the alert to its Notice. The Notice is removed once the rule has reported that the
    condition is over. `note` is what a person wrote on acknowledging the alert."""

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
    """Watches whether streams come up without a callback. It keeps two counters as they were when a
    callback last arrived: `callbacks`, the number of callbacks, and `unreported`, the number of
    sessions that only an online list has shown. `since` is when an evaluation first found more
    unreported sessions than that; None if none has found more."""

    callbacks: int = 0
    unreported: int = 0
    since: int | None = None

    def after(self, callbacks: int, unreported: int, now: int, *, is_first: bool) -> CallbackWatch:
        """Return the watch after both counters were read at `now`. The watch starts over, with
        `since` None, if a callback has arrived, or if the store was emptied. It also starts over if
        the last evaluation is too long ago (`is_first`), because nobody knows then when the new
        sessions came up. Otherwise it keeps its counters."""
        if is_first or callbacks != self.callbacks or unreported < self.unreported:
            return CallbackWatch(callbacks, unreported)
        if self.since is None and unreported > self.unreported:
            return replace(self, since=now)
        return self


class CounterWatch(Struct, frozen=True):
    """The value of a counter when it was last read, and the time of the latest reading that showed
    a rise."""

    count: int = 0
    since: int | None = None

    def after(self, count: int, now: int) -> CounterWatch:
        """Return the watch after the counter was read as `count` at `now`. A lower count than
        before is no rise: the store was emptied, and counts from 0 again."""
        return CounterWatch(count, now if count > self.count else self.since)


class AlertBook(Struct, frozen=True, omit_defaults=True):
    """All alerts of a stage, by id, and what `notify` must remember from one evaluation to the
    next. `evaluated_at` is the time of the last evaluation; 0 before the first. `beyond`: for each
    condition code, how many more conditions hold than the book lists. `sent`: for each robot, when
    it last got a message. Three things are counted: callbacks (`watch`); occurrences of schedules
    that were not recorded, because live-record came too late or because of a person's stop
    (`barred`); and tasks for which the store had no room (`dropped`). `barred_from`: the index of
    the schedule with which the next search for such occurrences begins."""

    evaluated_at: int = 0
    alerts: Mapping[str, Alert] = {}
    beyond: Mapping[str, int] = {}
    sent: Mapping[str, int] = {}
    watch: CallbackWatch = CallbackWatch()
    barred: CounterWatch = CounterWatch()
    barred_from: int = 0
    dropped: CounterWatch = CounterWatch()

    def is_first_evaluation(self, now: int) -> bool:
        """Return True if an evaluation at `now` counts as the first. It does if the last evaluation
        was more than MAX_EVALUATION_GAP_MS before `now`, or is later than `now` because the clock
        was set back."""
        return not 0 <= now - self.evaluated_at <= MAX_EVALUATION_GAP_MS

    @property
    def open(self) -> Sequence[Alert]:
        """Return the alerts whose condition still holds: the most serious first, and among equally
        serious ones the oldest first."""
        found = [alert for alert in self.alerts.values() if alert.is_open]
        return sorted(found, key=_gravity)


def _gravity(alert: Alert) -> tuple[int, int, str]:
    return (-list(AlertSeverity).index(alert.severity), alert.condition.since, alert.id)


def observed(
    book: AlertBook, found: Sequence[Condition], beyond: Mapping[str, int], now: int
) -> AlertBook:
    """Return the book after an evaluation that found the conditions `found`. A condition that is
    new becomes an alert; an alert whose condition was not found is resolved. The argument `beyond`
    is, for each code, how many conditions hold that `found` does not list. In the returned book,
    the field `beyond` also counts the conditions for which the book has no room."""
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
        # The beginning stays: the store's share, for example, is known only for the present.
        since = min(alert.condition.since, condition.since)
        return replace(alert, condition=replace(condition, since=since))
    return Alert(condition, raised_at=now, notices=alert.notices)


def _kept(alerts: Mapping[str, Alert], now: int) -> Mapping[str, Alert]:
    """Return the alerts that are open, whose end is still to be reported, or that ended lately."""
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
    """Return the book in which `who` has acknowledged the alert `alert_id`. If somebody has
    acknowledged the alert before, return the book unchanged."""
    alert = book.alerts[alert_id]
    if alert.acknowledged_at is not None:
        return book
    alert = replace(alert, acknowledged_at=now, acknowledged_by=who, note=note)
    return replace(book, alerts={**book.alerts, alert_id: alert})


def book_to_text(book: AlertBook) -> str:
    return msgspec.json.encode(book).decode()


def book_from_text(text: str) -> AlertBook:
    """Parse the stored text of a book; return an empty book if the text is empty. Raise ValueError
    if this release cannot read the text."""
    return decode(text, AlertBook) if text else AlertBook()

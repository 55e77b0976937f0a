"""Writes a message to people: the same sentences as `why`, in the robot's language.

evaluating.py and messaging.py call this module. A message names the worst alerts first, and counts
those that do not fit. Every robot gets plain text, so a message has quotation marks in place of
backticks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shared.alerts.book import Alert
from shared.alerts.messages import Message
from shared.inbound.catalogue import ConditionWords, Language, catalogue, condition_words
from shared.inbound.catalogue.details import about_in
from shared.inbound.catalogue.marks import quoted
from shared.protocol.durations import rfc3339, written

NAMED_ENTRIES = 3
"""Alerts of one condition that a message names."""
MINUTE_MS = 60_000


class Wording:
    """Writes the messages of one stage at one moment."""

    def __init__(self, stage: str, language: str, now: int) -> None:
        self._stage, self._now = stage, now
        self._language = Language(language)
        self._words = catalogue(self._language).message

    def test(self) -> str:
        return self._head(self._words["test"])

    def text(self, message: Message) -> str:
        """Return the whole message: the alerts that were raised, those that still hold, and those
        that are over."""
        parts = [
            *self._open("raised", message.raised, message.beyond),
            *self._open("repeated", message.repeated, {}),
            *self._over(message.resolved),
        ]
        lines = [line for part in parts for line in part]
        if message.raised or message.repeated:
            lines.append(quoted(self._words["acknowledge"]))
        return self._head("\n".join(lines))

    def _head(self, text: str) -> str:
        return f"[live-record {self._stage} {rfc3339(self._now - self._now % 1000)}]\n{text}"

    def _open(
        self, kind: str, alerts: Sequence[Alert], beyond: Mapping[str, int]
    ) -> Iterator[Sequence[str]]:
        for of_code in _by_code(alerts):
            first = of_code[0]
            count = len(of_code) + beyond.get(first.code, 0)
            severity = self._words[first.severity.value]
            words, template = self._of(first), self._template(kind, first)
            head = template.format(severity=severity, name=words.name, count=count)
            items = [self._item(alert) for alert in of_code[:NAMED_ENTRIES]]
            yield (head, *items, *self._more(count), *([words.fix] if words.fix else ()))

    def _over(self, alerts: Sequence[Alert]) -> Iterator[Sequence[str]]:
        for of_code in _by_code(alerts):
            first, count = of_code[0], len(of_code)
            head = self._template("resolved", first).format(name=self._of(first).name, count=count)
            items = [self._ended(alert) for alert in of_code[:NAMED_ENTRIES]]
            yield (head, *items, *self._more(count))

    def _template(self, kind: str, first: Alert) -> str:
        """Return the template of the first line. It shows a count only for alerts of streams: after
        "failed tasks", the number of alerts would read as the number of tasks."""
        return self._words[f"many_{kind}" if first.stream else kind]

    def _more(self, count: int) -> Iterator[str]:
        if count > NAMED_ENTRIES:
            yield self._words["more"].format(count=count - NAMED_ENTRIES)

    def _item(self, alert: Alert) -> str:
        template = self._words["item" if alert.subject else "stage"]
        lasts = written(_rounded(self._now - alert.condition.since))
        return template.format(subject=alert.subject, lasts=lasts, text=self._of(alert).text)

    def _ended(self, alert: Alert) -> str:
        template = self._words["ended" if alert.subject else "stage_ended"]
        ended_at = self._now if alert.resolved_at is None else alert.resolved_at
        lasts = written(_rounded(ended_at - alert.condition.since))
        return template.format(subject=alert.subject, lasts=lasts)

    def _of(self, alert: Alert) -> ConditionWords:
        about = about_in(self._language, alert.condition.about)
        words = condition_words(alert.code, about, alert.cause, self._language)
        return ConditionWords(words.name, quoted(words.text), quoted(words.fix))


def _by_code(alerts: Sequence[Alert]) -> Sequence[Sequence[Alert]]:
    """Return the alerts grouped by condition, in the order of each group's first alert."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.code, []).append(alert)
    return list(found.values())


def _rounded(ms: int) -> int:
    """Return a duration without seconds, unless it is short."""
    return ms - ms % (MINUTE_MS if ms > 10 * MINUTE_MS else 1000)

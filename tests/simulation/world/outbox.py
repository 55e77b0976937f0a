"""Sends Live's callbacks: signed, with a timeout of 5 s, retried, and listed if they failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import md5

from .agenda import Agenda, Entry
from .switches import Switches
from .terms import Callback, NotifyRecord, Stream

TIMEOUT_MS = 5_000
PAUSE_MS = 1_000
RETRIES = 5
KEPT_MS = 7 * 24 * 3_600_000

Settled = Callable[[int, "bool | None"], None]


@dataclass(frozen=True, slots=True)
class Event:
    """One event to report. The NotifyRecords of `domain` list it if it failed. `settled`, if given,
    is called once with the answer's need_record, None if no answer was a 200."""

    number: int
    kind: str
    stream: Stream
    method: str
    fields: Mapping[str, object]
    domain: str
    signed_for: str
    key: str
    made: int
    retries: int = RETRIES
    settled: Settled | None = None


class Outbox:
    """Callbacks under way and those that failed (live.md §2, §3, §4, §7)."""

    __slots__ = ("_agenda", "_failed", "_number", "_pending", "_switches", "leaving")

    def __init__(self, agenda: Agenda, switches: Switches) -> None:
        self._agenda = agenda
        self._switches = switches
        self._number = 0
        self._pending: dict[int, tuple[Event, int, Entry]] = {}
        self._failed: dict[str, list[NotifyRecord]] = {}
        self.leaving: list[Callback] = []

    def send(self, at: int, event: Event, attempt: int = 0) -> None:
        """Let one attempt leave; it times out after 5 s (live.md §2)."""
        self._number += 1
        made = at if self._switches.retry_signs_anew else event.made
        self.leaving.append(
            Callback(
                number=self._number,
                event=event.number,
                attempt=attempt,
                at=at,
                kind=event.kind,
                stream=event.stream,
                method=event.method,
                fields=event.fields,
                headers=_signed(event, made),
            )
        )
        timeout = self._agenda.enter(at + TIMEOUT_MS, self._timed_out, self._number)
        self._pending[self._number] = (event, attempt, timeout)

    def answered(self, at: int, number: int, status: int, *, need_record: bool) -> None:
        """Take the answer to a delivery; one after more than 5 s is ignored.

        Whether a status other than 200 is retried is UNCONFIRMED (live.md §2).
        """
        if number not in self._pending:
            return
        event, attempt, timeout = self._pending.pop(number)
        self._agenda.cancel(timeout)
        if status == 200:
            self._settle(at, event, need_record)
        else:
            self._again(at, event, attempt, event.retries if self._may_repeat(event) else 0)

    def failed(self, at: int, domain: str, start: int, end: int) -> tuple[NotifyRecord, ...]:
        """Return the callbacks of [start, end] that failed; they are kept for 7 days (live.md
        §7)."""
        oldest = max(start, at - KEPT_MS)
        return tuple(row for row in self._failed.get(domain, ()) if oldest <= row.at <= end)

    def _may_repeat(self, event: Event) -> bool:
        return event.settled is not None or self._switches.retries_on_error

    def _timed_out(self, at: int, number: int) -> None:
        event, attempt, _ = self._pending.pop(number)
        self._again(at, event, attempt, event.retries)

    def _again(self, at: int, event: Event, attempt: int, retries: int) -> None:
        """Retry five times, 1 s apart; then the event is lost (live.md §2)."""
        if attempt < retries:
            self._agenda.enter(at + PAUSE_MS, self.send, event, attempt + 1)
            return
        if event.settled is None:
            self._list(at, event)
        self._settle(at, event, None)

    def _list(self, at: int, event: Event) -> None:
        noted = event.made if self._switches.notify_time_is_first else at
        row = NotifyRecord(noted, event.kind, event.stream, event.method, event.fields)
        self._failed.setdefault(event.domain, []).append(row)

    @staticmethod
    def _settle(at: int, event: Event, need_record: bool | None) -> None:
        if event.settled is not None:
            event.settled(at, need_record)


def _signed(event: Event, made: int) -> Mapping[str, str]:
    """Return the headers: md5(domain|timestamp|key), in hex (live.md §3); none without a key."""
    if not event.key:
        return {}
    timestamp = str(made // 1000)
    text = f"{event.signed_for}|{timestamp}|{event.key}"
    digest = md5(text.encode(), usedforsecurity=False).hexdigest()
    return {"ALI-LIVE-TIMESTAMP": timestamp, "ALI-LIVE-SIGNATURE": digest}

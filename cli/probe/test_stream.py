"""The test stream: sends commands to it, and reads what Live lists and reports about it.

Every experiment of probe uses this module. It must not send commands to another stream, nor more
than eight a second, because the rate limit is the whole account's.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from gettext import gettext as _
from typing import Any

from cli.account import Account, Declined, rows_at
from cli.probe.publisher import Publisher
from cli.texts import N_

OK = "OK"
NOT_FOUND = ("StreamNotFound", "InvalidStream.NotFound")
MERGE_DELAY_S = 15
"""The shortest DelayTime that Live accepts (docs/platform/live.md §6)."""
LISTING_TIMEOUT_S = 90.0
"""Time limit for the online list to show or drop the stream."""
POLL_INTERVAL_S = 0.05
COMMAND_INTERVAL_S = 0.12
"""Shortest time between two commands of probe; the limit of 50/s is the whole account's."""
NOT_LISTED = N_("the stream is not in the online list after {seconds:.0f} s")

Event = Mapping[str, Any]


class Unanswered(Exception):
    """An experiment has no answer. `text`, in English, explains why, with placeholders for
    `values`. The report shows it in English; `shown` returns it in the language in use."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values))
        self._text, self._values = text, values

    def shown(self) -> str:
        """Return the text in the language in use."""
        return _(self._text).format(**self._values)


@dataclass(slots=True)
class TestStream:
    """The test stream and its state.

    `patience` is how many seconds to wait for an expected event. If no event comes in this time,
    that itself is the answer.
    """

    account: Account
    domain: str
    ingest: str
    app: str
    stream: str
    publisher: Publisher
    patience: float
    is_live: bool = False
    was_recorded: bool = False
    visible_after_s: float = 0.0
    began: float = field(default=0.0)
    _last_command_at: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.began = self.publisher.now()

    @property
    def names(self) -> dict[str, str]:
        return {"DomainName": self.domain, "AppName": self.app, "StreamName": self.stream}

    def command(self, command: str, **changes: str) -> str:
        """Send a command, at the earliest COMMAND_INTERVAL_S after the previous one. Return Live's
        error code, or OK. `changes` replace parameters that name the stream, such as DomainName."""
        time.sleep(max(0.0, self._last_command_at + COMMAND_INTERVAL_S - time.monotonic()))
        self._last_command_at = time.monotonic()
        try:
            self.account.ask("RealTimeRecordCommand", **{**self.names, **changes}, Command=command)
        except Declined as declined:
            return declined.code
        self.was_recorded = self.was_recorded or command in ("start", "restart")
        return OK

    def require(self, command: str) -> None:
        if (code := self.command(command)) != OK:
            sentence = N_(
                "Live answered `{command}` with {code}, but the experiment needs Live to accept it"
            )
            raise Unanswered(sentence, command=command, code=code)

    def reset(self) -> None:
        """Make the stream offline and idle, and let its merge delay end."""
        if self.is_live:
            self.command("stop")
            self.command("cancel_delay")
            self.unpublish()
        if self.was_recorded:
            self.publisher.let_pass(MERGE_DELAY_S + 1)
        self.was_recorded = False

    def publish(self) -> None:
        """Publish, and wait until commands find the stream. Raise Unanswered as `publish_and_time`
        does."""
        self.publish_and_time()
        if self.visible_after_s:
            time.sleep(self.visible_after_s + POLL_INTERVAL_S)

    def publish_and_time(self) -> float:
        """Publish, wait until the online list shows the stream, and return how many seconds that
        took. Raise Unanswered if it took more than LISTING_TIMEOUT_S."""
        self.publisher.publish()
        self.is_live = True
        return self.wait_until(
            lambda: self.publish_time() is not None, LISTING_TIMEOUT_S, NOT_LISTED
        )

    def unpublish(self) -> None:
        self.publisher.unpublish()
        self.is_live = False
        self.wait_until(
            lambda: self.publish_time() is None,
            LISTING_TIMEOUT_S,
            N_("the stream is still in the online list after {seconds:.0f} s"),
        )

    def publish_time(self) -> datetime | None:
        """Return the PublishTime of the stream in the online list, None while the list does not
        show the stream."""
        filters = {"QueryType": "strict", "StreamType": "raw"}
        answer = self.account.ask("DescribeLiveStreamsOnlineList", **self.names, **filters)
        for row in rows_at(answer, "OnlineInfo", "LiveStreamOnlineInfo"):
            if row.get("StreamName") == self.stream:
                return _time(row.get("PublishTime"))
        return None

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float, otherwise: str) -> float:
        """Wait until `is_so` returns True, and return how many seconds that took. After
        `timeout_s`, raise Unanswered with the text `otherwise`.

        `is_so` is called once more after the time-out, because this machine may have been busy.
        """
        began, is_over = time.monotonic(), False
        while not is_so():
            if is_over:
                raise Unanswered(otherwise, seconds=timeout_s)
            time.sleep(POLL_INTERVAL_S)
            is_over = time.monotonic() > began + timeout_s
        return time.monotonic() - began

    def recording_events(self) -> Counter[str]:
        """Return the recording callbacks that Live has sent so far, and how often each was sent,
        because two callbacks within one second may be equal. The text of a callback is its kind, a
        space and its JSON."""
        rows = self._records("DescribeLiveRecordNotifyRecords", self.domain, "CallbackList")
        return Counter(f"{row.get('NotifyType')} {row.get('NotifyContent')}" for row in rows)

    def wait_for(self, kinds: tuple[str, ...], since: Counter[str]) -> str:
        """Return the first callback of these kinds that is not counted in `since`; "" if none comes
        within `patience`."""
        try:
            self.wait_until(lambda: bool(self._events_of(kinds, since)), self.patience, "")
        except Unanswered:
            return ""
        return self._events_of(kinds, since)[0]

    def _events_of(self, kinds: tuple[str, ...], since: Counter[str]) -> list[str]:
        return [line for line in self.recording_events() - since if line.partition(" ")[0] in kinds]

    def require_event(self, kind: str, since: Counter[str]) -> Event:
        found = self.wait_for((kind,), since)
        if not found:
            sentence = N_("Live reported no {kind} within {seconds:.0f} s")
            raise Unanswered(sentence, kind=kind, seconds=self.patience)
        event: Event = json.loads(found.partition(" ")[2])
        return event

    def publish_events(self) -> list[Event]:
        """Return the contents of the publish callbacks that Live has sent so far, oldest first."""
        rows = self._records(
            "DescribeLiveStreamsNotifyRecords",
            self.ingest,
            "NotifyRecordsInfo",
            "LiveStreamNotifyRecordsInfo",
        )
        found = [row for row in rows if row.get("NotifyType") == "publish"]
        found.sort(key=lambda row: str(row["NotifyTime"]))
        return [json.loads(row["NotifyContent"]) for row in found]

    def _records(self, action: str, domain: str, *path: str) -> list[dict[str, Any]]:
        """Return Live's records of callbacks about this stream."""
        params = {
            "DomainName": domain,
            "AppName": self.app,
            "StreamName": self.stream,
            "StartTime": _utc(self.began - 2),
            "EndTime": _utc(self.publisher.now() + 2),
            "PageNumber": 1,
            "PageSize": 500,
        }
        return rows_at(self.account.ask(action, **params), *path)


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))

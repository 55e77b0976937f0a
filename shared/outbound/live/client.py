"""LiveClient: what live-record asks of ApsaraVideo Live, one method per need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Literal

from msgspec import Struct

from shared.outbound.live.sdk import CONNECT_MS, READ_MS, Credentials, LiveEndpoint
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import InDoubt

SLACK_MS = 5_000
"""What a request may be on its way beyond both time-outs: names looked up, a slow gateway."""

LEASE_MS = CONNECT_MS + READ_MS + SLACK_MS

PAGE_ROWS = 3_000
"""The largest that DescribeLiveStreamsOnlineList gives (docs/platform/live.md §7)."""

NotifyRecords = Literal["DescribeLiveStreamsNotifyRecords", "DescribeLiveRecordNotifyRecords"]


class UndeliveredCallback(Struct, frozen=True):
    """A callback that nobody took: `content` is what it would have said, as Live keeps it. It holds
    the push URL's secrets. `at` is when Live tried, in ms, where it can be read."""

    kind: str
    content: str
    at: int | None = None

    def __repr__(self) -> str:
        """Secrets stay out of it."""
        return f"UndeliveredCallback({self.kind!r}, …, {self.at})"


Pace = Callable[[], None]
"""Called before each page that is asked for; it may raise a LiveError to have no more asked."""


def at_once() -> None:
    """Nobody else asks."""


Online = tuple[StreamKey, int]
"""A stream, and when it was published, in ms since the epoch."""


class LiveClient(LiveEndpoint, frozen=True, kw_only=True):
    """Every method raises LiveError and nothing else. Nothing is kept between calls but the SDK's
    own connections, so one client serves any number of threads."""

    @property
    def lease(self) -> int:
        """How long a request may be on the wire, in ms."""
        return self.connect_timeout + self.read_timeout + SLACK_MS

    def send(self, command: Command, key: StreamKey, *, credentials: Credentials) -> str:
        """Live's RequestId, once it has accepted the command."""
        parameters = {
            "DomainName": key.domain,
            "AppName": key.app,
            "StreamName": key.stream,
            "Command": command.value,
        }
        answer = self.ask("RealTimeRecordCommand", parameters, credentials)
        return str(answer["RequestId"])

    def find(self, key: StreamKey, *, credentials: Credentials) -> int | None:
        """When the stream was published, in ms since the epoch; None when it is not online."""
        wanted = {"AppName": key.app, "StreamName": key.stream}
        answer = self._page(1, {"DomainName": key.domain, **wanted}, credentials)
        return max((at for found, at in _streams(key.domain, answer) if found == key), default=None)

    def online(self, domain: str, *, credentials: Credentials) -> Sequence[Online]:
        """All of the domain's streams or an error: half of them would look like streams gone.

        Even so, one that moves to an earlier page between two requests is missed; so look again
        for that stream before it counts as gone.
        """
        newest: dict[StreamKey, int] = {}
        page, more = 0, True
        while more:
            page, known = page + 1, len(newest)
            answer = self._page(page, {"DomainName": domain}, credentials)
            streams = _streams(domain, answer)
            newest.update({key: max(at, newest.get(key, at)) for key, at in sorted(streams)})
            more = len(newest) > known and page < _pages(answer, page, len(streams))
        return tuple(newest.items())

    def _page(
        self, page: int, parameters: Mapping[str, str], credentials: Credentials
    ) -> Mapping[str, object]:
        """OnlyStream keeps the push URLs, which hold secrets, from being sent at all."""
        how = {"QueryType": "strict", "StreamType": "raw", "OnlyStream": "yes"}
        where = {"PageNum": page, "PageSize": PAGE_ROWS}
        return self.ask(
            "DescribeLiveStreamsOnlineList", {**parameters, **how, **where}, credentials
        )

    def undelivered_stream_events(
        self,
        ingest: str,
        since: int,
        until: int,
        *,
        credentials: Credentials,
        take_poll_slot: Pace = at_once,
    ) -> Sequence[UndeliveredCallback]:
        """The ingest callbacks of an ingest domain that Live gave up; seven days back at most."""
        asked = {"DomainName": ingest, **_span(since, until)}
        return self._undelivered(
            "DescribeLiveStreamsNotifyRecords", asked, credentials, take_poll_slot
        )

    def undelivered_record_events(
        self,
        streaming: str,
        since: int,
        until: int,
        *,
        credentials: Credentials,
        take_poll_slot: Pace = at_once,
    ) -> Sequence[UndeliveredCallback]:
        """The recording callbacks of a streaming domain that Live gave up."""
        asked = {"DomainName": streaming, "StorageType": "all", **_span(since, until)}
        return self._undelivered(
            "DescribeLiveRecordNotifyRecords", asked, credentials, take_poll_slot
        )

    def _undelivered(
        self,
        action: NotifyRecords,
        asked: Mapping[str, str],
        credentials: Credentials,
        take_poll_slot: Pace,
    ) -> Sequence[UndeliveredCallback]:
        """One that comes while the pages are read may be told twice, and is one happening."""
        found: list[UndeliveredCallback] = []
        page, more = 0, True
        while more and page < MAX_PAGES:
            take_poll_slot()
            page += 1
            place = {"PageNumber": page, "PageSize": NOTIFY_PAGE_ROWS, "Status": "failed"}
            answer = self.ask(action, {**asked, **place}, credentials)
            records = [_undelivered(entry) for entry in _records(answer)]
            found += records
            more = page < _pages(answer, page, len(records), NOTIFY_PAGE_ROWS)
        return found


NOTIFY_PAGE_ROWS = 500
MAX_PAGES = 100
"""Whoever lost more callbacks than that has the online list to go by."""


def _span(since: int, until: int) -> dict[str, str]:
    return {"StartTime": _utc(since), "EndTime": _utc(until)}


def _utc(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _records(answer: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    """docs/platform/live.md §7: the two answers name their lists differently."""
    info = answer.get("NotifyRecordsInfo")
    found = info.get("LiveStreamNotifyRecordsInfo") if isinstance(info, dict) else None
    records = answer.get("CallbackList") if found is None else found
    return [one for one in records if isinstance(one, dict)] if isinstance(records, list) else []


def _undelivered(entry: Mapping[str, object]) -> UndeliveredCallback:
    kind, content = entry.get("NotifyType"), entry.get("NotifyContent")
    text = content if isinstance(content, str) else ""
    return UndeliveredCallback(str(kind or ""), text, _tried_at(entry.get("NotifyTime")))


def _tried_at(text: object) -> int | None:
    """Its form is UNCONFIRMED; what was said counts without it, too."""
    try:
        return _ms(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _streams(domain: str, answer: Mapping[str, object]) -> Sequence[Online]:
    """An entry that cannot be read spoils the list: left out, it would look like a stream gone."""
    try:
        return [_stream(domain, entry) for entry in _entries(answer)]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InDoubt("", "an online list that cannot be read", status=200) from None


def _entries(answer: Mapping[str, object]) -> Iterable[Mapping[str, str]]:
    if "OnlineInfo" not in answer and answer.get("TotalNum") == 0:
        return ()
    info = answer["OnlineInfo"]
    if not isinstance(info, dict):
        raise TypeError(info)
    entries: Iterable[Mapping[str, str]] = info["LiveStreamOnlineInfo"]
    return entries


def _stream(domain: str, entry: Mapping[str, str]) -> Online:
    return StreamKey(domain, entry["AppName"], entry["StreamName"]), _ms(entry["PublishTime"])


def _ms(text: str) -> int:
    """From ISO 8601, in UTC where it does not say. Python 3.10 does not know the Z."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def _pages(answer: Mapping[str, object], page: int, found: int, size: int = PAGE_ROWS) -> int:
    """Where Live does not count its pages, there is one more behind every full one."""
    total = answer.get("TotalPage")
    return total if isinstance(total, int) else page + (found >= size)

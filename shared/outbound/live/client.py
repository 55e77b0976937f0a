"""LiveClient: live-record's requests to ApsaraVideo Live, one method for each kind.

Invocations use this module. It retries nothing and knows no rate limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Literal

from msgspec import Struct

from shared.outbound.live.sdk import CONNECT_MS, READ_MS, Credentials, LiveEndpoint
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import InDoubt
from shared.protocol.stored_text import storable

SLACK_MS = 5_000
"""ms that a request may take beyond both time-outs: name resolution, a slow gateway."""

LEASE_MS = CONNECT_MS + READ_MS + SLACK_MS

PAGE_ROWS = 3_000
"""The largest page of DescribeLiveStreamsOnlineList (docs/platform/live.md §7)."""

NotifyRecords = Literal["DescribeLiveStreamsNotifyRecords", "DescribeLiveRecordNotifyRecords"]


class UndeliveredCallback(Struct, frozen=True):
    """A callback that Live could not deliver. `content` is the callback's text, with the secrets of
    the push URL. `at` is when Live tried to deliver it, in ms; None if that cannot be read."""

    kind: str
    content: str
    at: int | None = None

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"UndeliveredCallback({self.kind!r}, …, {self.at})"


Pace = Callable[[], None]
"""Called before each page is requested. If it raises a LiveError, the read ends."""


def at_once() -> None:
    """Return without waiting. Used instead of a rate limit where nobody else calls Live."""


Online = tuple[StreamKey, int]
"""A stream and its publish time, in ms since the epoch."""


class LiveClient(LiveEndpoint, frozen=True, kw_only=True):
    """A client of the Live API. A failed request raises only LiveError. Only the SDK's connections
    are kept between calls, so any number of threads may share a client."""

    @property
    def lease(self) -> int:
        """Return how long a request may be on the wire, in ms."""
        return self.connect_timeout + self.read_timeout + SLACK_MS

    def send(self, command: Command, key: StreamKey, *, credentials: Credentials) -> str:
        """Send the command; return Live's RequestId. If Live does not accept the command, raise a
        LiveError."""
        parameters = {
            "DomainName": key.domain,
            "AppName": key.app,
            "StreamName": key.stream,
            "Command": command.value,
        }
        answer = self.ask("RealTimeRecordCommand", parameters, credentials)
        return storable(str(answer["RequestId"]))

    def find(self, key: StreamKey, *, credentials: Credentials) -> int | None:
        """Return the stream's publish time in ms since the epoch; None if it is not online."""
        wanted = {"AppName": key.app, "StreamName": key.stream}
        answer = self._page(1, {"DomainName": key.domain, **wanted}, credentials)
        return max((at for found, at in _streams(key.domain, answer) if found == key), default=None)

    def online(
        self, domain: str, *, credentials: Credentials, pace: Pace = at_once
    ) -> Sequence[Online]:
        """Return all streams of the domain that are online, or raise a LiveError: a partial list
        would make other streams look offline.

        Even a complete list misses a stream that moves to an earlier page between two requests. So
        poll a missing stream before it counts as offline.
        """
        newest: dict[StreamKey, int] = {}
        page, more = 0, True
        while more:
            pace()
            page, known = page + 1, len(newest)
            answer = self._page(page, {"DomainName": domain}, credentials)
            streams = _streams(domain, answer)
            newest.update({key: max(at, newest.get(key, at)) for key, at in sorted(streams)})
            more = len(newest) > known and page < _pages(answer, page, len(streams))
        return tuple(newest.items())

    def _page(
        self, page: int, parameters: Mapping[str, str], credentials: Credentials
    ) -> Mapping[str, object]:
        """Return one page. OnlyStream keeps push URLs, which hold secrets, out of the answer."""
        options = {"QueryType": "strict", "StreamType": "raw", "OnlyStream": "yes"}
        where = {"PageNum": page, "PageSize": PAGE_ROWS}
        return self.ask(
            "DescribeLiveStreamsOnlineList", {**parameters, **options, **where}, credentials
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
        """Return the callbacks of an ingest domain that Live gave up between `since` and `until`,
        in ms. Live keeps such callbacks for seven days."""
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
        """Return the recording callbacks of a streaming domain that Live gave up between `since`
        and `until`, in ms."""
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
        """Return the callbacks of all pages. A callback given up while the pages are read may be
        listed twice; it is still one event."""
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
"""Pages that are read at most. After a greater loss, the online list still shows what is live."""


def _span(since: int, until: int) -> dict[str, str]:
    return {"StartTime": _utc(since), "EndTime": _utc(until)}


def _utc(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _records(answer: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    """Return the records. The answers use different names for the list (docs/platform/live.md
    §7)."""
    info = answer.get("NotifyRecordsInfo")
    found = info.get("LiveStreamNotifyRecordsInfo") if isinstance(info, dict) else None
    records = answer.get("CallbackList") if found is None else found
    return [one for one in records if isinstance(one, dict)] if isinstance(records, list) else []


def _undelivered(entry: Mapping[str, object]) -> UndeliveredCallback:
    kind, content = entry.get("NotifyType"), entry.get("NotifyContent")
    text = content if isinstance(content, str) else ""
    return UndeliveredCallback(str(kind or ""), text, _tried_at(entry.get("NotifyTime")))


def _tried_at(text: object) -> int | None:
    """Return when Live tried to deliver the callback, in ms; None if that cannot be read. A
    callback without a time is used all the same."""
    try:
        return _ms(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _streams(domain: str, answer: Mapping[str, object]) -> Sequence[Online]:
    """Return the listed streams. Raise InDoubt if an entry cannot be read: without it, its stream
    would look offline."""
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
    """Parse an ISO 8601 time; return it in ms. A time without an offset is in UTC. Python 3.10 does
    not know the Z."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def _pages(answer: Mapping[str, object], page: int, found: int, size: int = PAGE_ROWS) -> int:
    """Return the number of pages. If Live does not give it, every full page is followed by one
    more."""
    total = answer.get("TotalPage")
    return total if isinstance(total, int) else page + (found >= size)

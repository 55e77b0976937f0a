"""Collects everything that Live has about one domain of the policy, in parallel.

cli.doctor.collect calls this module. It sends requests and must leave the parsing to
cli.doctor.parse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from gettext import gettext as _
from typing import TypeVar

from cli.doctor import parse
from cli.doctor.snapshot import Callback, CallbackRecord, Domain, Json, Online, Recording, Unread
from cli.doctor.sources import Sources
from shared.protocol.policy import Domain as Named

T = TypeVar("T")
DAY_MS = 86_400_000
ABSENT = ("CodeConfigNotFound", "InvalidConfig.NotFound")
"""Codes that mean "no configuration"; Live may also return an empty one."""
MAX_PAGES = 20
"""So many pages of a list are read at most. Of a longer list, the first pages are read and the rest
is reported as unread; of callback records, those of the last hours are read."""
RECORDS_ROWS = 500


@dataclass(slots=True)
class DomainCollector:
    """Reads what Live has about `policy_domain`, with Live's records of the callbacks in the day
    before `now_ms`. If a list has more than MAX_PAGES pages, `beyond` gets an Unread for the rest,
    by the list's name."""

    sources: Sources
    pool: ThreadPoolExecutor
    policy_domain: Named
    now_ms: int
    beyond: dict[str, Unread] = field(default_factory=dict)

    def collect(self) -> Domain:
        name = self.policy_domain.streaming
        mapping = self._ask(
            _("the domain mapping of {domain}"), "DescribeLiveDomainMapping", parse.mapping
        )
        recordings = self.pool.submit(self._recordings)
        vod = self.pool.submit(self._vod)
        record = self.pool.submit(self._record_callback)
        online = self.pool.submit(self._online)
        record_log = self.pool.submit(
            self._callback_records, "DescribeLiveRecordNotifyRecords", name
        )
        names = self._ingest(mapping)
        streams = {ingest: self.pool.submit(self._stream_callback, ingest) for ingest in names}
        stream_records = [
            self.pool.submit(self._callback_records, _STREAM_RECORDS, ingest) for ingest in names
        ]
        records = record_log.result()
        return Domain(
            name=name,
            mapping=mapping,
            recordings=recordings.result(),
            vod=vod.result(),
            record_callback=record.result(),
            stream_callbacks={ingest: future.result() for ingest, future in streams.items()},
            online=online.result(),
            lost=_lost([records, *(future.result() for future in stream_records)]),
            broken=records if isinstance(records, Unread) else parse.broken(records),
            beyond=self.beyond,
        )

    def _ingest(self, mapping: Sequence[tuple[str, str]] | Unread) -> Sequence[str]:
        """Return the ingest domains of the policy and of Live, else the streaming domain itself
        (docs/platform/live.md §2)."""
        bound = () if isinstance(mapping, Unread) else mapping
        names = [*self.policy_domain.ingest, *(name for name, kind in bound if kind == "publish")]
        return list(dict.fromkeys(names)) or [self.policy_domain.streaming]

    def _ask(
        self, subject: str, action: str, parse_answer: Callable[[Json], T], **parameters: object
    ) -> T | Unread:
        params = {"DomainName": self.policy_domain.streaming, **parameters}
        return self.sources.cloud(
            subject.format(domain=params["DomainName"]),
            "live",
            lambda account: parse_answer(account.ask(action, **params)),
        )

    def _pages(self, name: str, subject: str, action: str, size: int,
               rows: Callable[[Json], Sequence[T]],
               **parameters: object) -> Sequence[T] | Unread:  # fmt: skip
        """Return the list `name`. If it is longer than MAX_PAGES, note that its rest is unread."""
        found: list[T] = []
        for page in range(1, MAX_PAGES + 2):
            page_params = {"PageNum": page, "PageSize": size, **parameters}
            more = self._ask(subject, action, rows, **page_params)
            if isinstance(more, Unread):
                return more
            if page > MAX_PAGES and more:
                whole = subject.format(domain=self.policy_domain.streaming)
                self.beyond[name] = self.sources.rest_of(whole, action, len(found))
                break
            found += more
            if len(more) < size:
                break
        return found

    def _recordings(self) -> Sequence[Recording] | Unread:
        subject = _("the recording configurations of {domain}")
        return self._pages("recordings", subject, "DescribeLiveRecordConfig", 30, parse.recordings)

    def _vod(self) -> Sequence[Recording] | Unread:
        subject = _("the recording configurations of {domain} into VOD")
        return self._pages("vod", subject, "DescribeLiveRecordVodConfigs", 100, parse.vod)

    def _online(self) -> Sequence[Online] | Unread:
        filters = {"QueryType": "strict", "StreamType": "raw", "OnlyStream": "yes"}
        action = "DescribeLiveStreamsOnlineList"
        subject = _("the list of live streams of {domain}")
        return self._pages("online", subject, action, 3000, parse.online, **filters)

    def _record_callback(self) -> Callback | Unread | None:
        name = self.policy_domain.streaming
        return _none_if_absent(
            self._ask(
                _("the recording callbacks of {domain}"),
                "DescribeLiveRecordNotifyConfig",
                lambda answer: parse.record_callback(name, answer),
            )
        )

    def _stream_callback(self, ingest: str) -> Callback | Unread | None:
        return _none_if_absent(
            self._ask(
                _("the ingest callbacks of {domain}"),
                "DescribeLiveStreamsNotifyUrlConfig",
                lambda answer: parse.stream_callback(ingest, answer),
                DomainName=ingest,
            )
        )

    def _callback_records(self, action: str, name: str) -> Sequence[Json] | Unread:
        """Return Live's callback records of the last day, oldest first. If they have more than
        MAX_PAGES pages, return those of the last 12 hours, or of the last 6, and so on."""
        span_ms = DAY_MS
        first = self._records_page(action, name, span_ms, 1)
        while not isinstance(first, Unread) and _pages_in(first) > MAX_PAGES and span_ms > 0:
            span_ms //= 2
            first = self._records_page(action, name, span_ms, 1)
        if isinstance(first, Unread):
            return first
        found = list(parse.notified(first))
        for page in range(2, _pages_in(first) + 1):
            more = self._records_page(action, name, span_ms, page)
            if isinstance(more, Unread):
                return more
            found += parse.notified(more)
        return parse.oldest_first(found)

    def _records_page(self, action: str, name: str, span_ms: int, page: int) -> Json | Unread:
        span = {"StartTime": _utc(self.now_ms - span_ms), "EndTime": _utc(self.now_ms + 60_000)}
        return self._ask(
            _("the records of callbacks of {domain}"),
            action,
            lambda answer: answer,
            **{"DomainName": name, **span, "PageSize": RECORDS_ROWS, "PageNumber": page},
        )


_STREAM_RECORDS = "DescribeLiveStreamsNotifyRecords"


def _pages_in(answer: Json) -> int:
    return int(answer.get("TotalPage") or 1)


def _none_if_absent(callback: Callback | Unread | None) -> Callback | Unread | None:
    return None if isinstance(callback, Unread) and callback.code in ABSENT else callback


def _lost(each: Sequence[Sequence[Json] | Unread]) -> Sequence[CallbackRecord] | Unread:
    found: list[CallbackRecord] = []
    for records in each:
        if isinstance(records, Unread):
            return records
        found += parse.lost(records)
    return found


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

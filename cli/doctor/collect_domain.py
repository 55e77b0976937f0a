"""One domain of the policy as Live has it, everything about it asked for side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from cli.doctor import parse
from cli.doctor.snapshot import Callback, Domain, Json, Online, Recording, Told, Unread
from cli.doctor.sources import Reader
from shared.protocol.policy import Domain as Named

T = TypeVar("T")
DAY = 86_400_000
ABSENT = ("CodeConfigNotFound", "InvalidConfig.NotFound")
"""What Live may answer where there is no configuration; else it answers an empty one."""
MOST_PAGES = 20


@dataclass(slots=True)
class DomainReading:
    """`now` in ms, by the clock that Live's records of callbacks go by."""

    reader: Reader
    pool: ThreadPoolExecutor
    named: Named
    now: int

    def read(self) -> Domain:
        name = self.named.streaming
        mapping = self._ask("domain mapping", "DescribeLiveDomainMapping", parse.mapping)
        recordings = self.pool.submit(self._recordings)
        vod = self.pool.submit(self._vod)
        record = self.pool.submit(self._record_callback)
        online = self.pool.submit(self._online)
        told = self.pool.submit(self._told, "DescribeLiveRecordNotifyRecords", name)
        names = self._ingest(mapping)
        streams = {one: self.pool.submit(self._stream_callback, one) for one in names}
        heard = [self.pool.submit(self._told, _STREAM_RECORDS, one) for one in names]
        records = told.result()
        return Domain(
            name=name,
            mapping=mapping,
            recordings=recordings.result(),
            vod=vod.result(),
            record_callback=record.result(),
            stream_callbacks={one: future.result() for one, future in streams.items()},
            online=online.result(),
            lost=_lost([records, *(future.result() for future in heard)]),
            broken=records if isinstance(records, Unread) else parse.broken(records),
        )

    def _ingest(self, mapping: Sequence[tuple[str, str]] | Unread) -> Sequence[str]:
        """What both sides name; the streaming domain itself where there is none (facts/live.md
        2)."""
        bound = () if isinstance(mapping, Unread) else mapping
        names = [*self.named.ingest, *(name for name, kind in bound if kind == "publish")]
        return list(dict.fromkeys(names)) or [self.named.streaming]

    def _ask(
        self, what: str, action: str, read: Callable[[Json], T], **parameters: object
    ) -> T | Unread:
        asked = {"DomainName": self.named.streaming, **parameters}
        return self.reader.cloud(
            f"the {what} of {asked['DomainName']}",
            "live",
            lambda account: read(account.ask(action, **asked)),
        )

    def _pages(self, what: str, action: str, size: int, rows: Callable[[Json], Sequence[T]],
               **parameters: object) -> Sequence[T] | Unread:  # fmt: skip
        found: list[T] = []
        for page in range(1, MOST_PAGES):
            place = {"PageNum": page, "PageSize": size, **parameters}
            more = self._ask(what, action, rows, **place)
            if isinstance(more, Unread):
                return more
            found += more
            if len(more) < size:
                break
        return found

    def _recordings(self) -> Sequence[Recording] | Unread:
        action = "DescribeLiveRecordConfig"
        return self._pages("recording configurations", action, 30, parse.recordings)

    def _vod(self) -> Sequence[Recording] | Unread:
        action = "DescribeLiveRecordVodConfigs"
        return self._pages("recording configurations into VOD", action, 100, parse.vod)

    def _online(self) -> Sequence[Online] | Unread:
        how = {"QueryType": "strict", "StreamType": "raw", "OnlyStream": "yes"}
        action = "DescribeLiveStreamsOnlineList"
        return self._pages("list of live streams", action, 3000, parse.online, **how)

    def _record_callback(self) -> Callback | Unread | None:
        name = self.named.streaming
        return _none_if_absent(
            self._ask(
                "recording callbacks",
                "DescribeLiveRecordNotifyConfig",
                lambda told: parse.record_callback(name, told),
            )
        )

    def _stream_callback(self, ingest: str) -> Callback | Unread | None:
        return _none_if_absent(
            self._ask(
                "ingest callbacks",
                "DescribeLiveStreamsNotifyUrlConfig",
                lambda told: parse.stream_callback(ingest, told),
                DomainName=ingest,
            )
        )

    def _told(self, action: str, name: str) -> Sequence[Json] | Unread:
        """The callbacks of the last day that Live keeps a record of, the first and the last page
        of them: which of the two holds the newest, no source says."""
        span = {"StartTime": _utc(self.now - DAY), "EndTime": _utc(self.now + 60_000)}
        asked = {"DomainName": name, **span, "PageSize": 500}
        what = "records of callbacks"
        first = self._ask(what, action, lambda told: told, **asked, PageNumber=1)
        if isinstance(first, Unread):
            return first
        last = first.get("TotalPage") or 1
        if last == 1:
            return parse.notified(first)
        more = self._ask(what, action, parse.notified, **asked, PageNumber=last)
        return more if isinstance(more, Unread) else [*parse.notified(first), *more]


_STREAM_RECORDS = "DescribeLiveStreamsNotifyRecords"


def _none_if_absent(told: Callback | Unread | None) -> Callback | Unread | None:
    return None if isinstance(told, Unread) and told.code in ABSENT else told


def _lost(each: Sequence[Sequence[Json] | Unread]) -> Sequence[Told] | Unread:
    found: list[Told] = []
    for records in each:
        if isinstance(records, Unread):
            return records
        found += parse.lost(records)
    return found


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

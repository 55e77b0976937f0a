"""The callback history that Live keeps for seven days (docs/platform/live.md §7).

callbacks.py adds to it; actions.py queries it.
It must not know how a callback was delivered, only how that ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emulator.live.api_errors import ApiError
from emulator.live.parameters import number, time_ms, word
from emulator.live.streams import StreamKey, utc

Json = dict[str, object]
WEEK_MS = 7 * 24 * 3_600_000
INGEST_EVENTS = ("publish", "publish_done", "exception", "switch")
ON_DEMAND_EVENTS = ("on_demand",)  # in neither list
VOD_EVENT = "vod"  # of another product, whose history Live does not have


@dataclass(frozen=True, slots=True)
class NotifyRecord:
    """One callback after its last attempt; `domain` is the domain whose configuration has the
    callback's URL."""

    at_ms: int
    event: str
    domain: str
    key: StreamKey
    url: str
    content: Mapping[str, object]
    succeeded: bool
    response: str
    headers: Mapping[str, str]


class NotifyRecords:
    def __init__(self) -> None:
        self._records: list[NotifyRecord] = []

    def add(self, record: NotifyRecord) -> None:
        self._records.append(record)

    def clear(self) -> None:
        self._records.clear()

    def stream_records(self, params: Mapping[str, str], now_ms: int) -> Json:
        """Return ingest callbacks by ingest domain; the answer has PageNum, not PageNumber."""
        rows = [
            record for record in self._matching(params, now_ms) if record.event in INGEST_EVENTS
        ]
        shown, page = _page(rows, params)
        entries = [_record_json(record) for record in shown]
        return page | {"NotifyRecordsInfo": {"LiveStreamNotifyRecordsInfo": entries}}

    def record_records(self, params: Mapping[str, str], now_ms: int) -> Json:
        """Return recording callbacks by streaming domain."""
        storage = word(params, "StorageType", ("all", "oss", "vod"))
        both = (*INGEST_EVENTS, *ON_DEMAND_EVENTS, VOD_EVENT)
        rows = [record for record in self._matching(params, now_ms) if record.event not in both]
        shown, page = _page(
            [record for record in rows if storage in ("all", _storage(record))], params
        )
        entries = [_record_json(record) | {"StorageType": _storage(record)} for record in shown]
        return page | {"Code": 0, "Msg": "ok", "CallbackList": entries}

    def _matching(self, params: Mapping[str, str], now_ms: int) -> Iterator[NotifyRecord]:
        begins, ends = time_ms(params, "StartTime"), time_ms(params, "EndTime")
        if not begins < ends or begins < now_ms - WEEK_MS:
            raise ApiError("MalformedParam", "%s, StartTime is before EndTime and within 7 days.")
        status = word(params, "Status", ("", "success", "failed"))
        for record in self._records:
            place = {
                "DomainName": record.domain,
                "AppName": record.key.app,
                "StreamName": record.key.stream,
            }
            named = all(params.get(name) in (None, "", value) for name, value in place.items())
            fits = status in ("", "success" if record.succeeded else "failed")
            if named and fits and begins <= record.at_ms < ends:
                yield record


def _record_json(record: NotifyRecord) -> Json:
    return {
        "DomainName": record.domain,
        "AppName": record.key.app,
        "StreamName": record.key.stream,
        "NotifyType": "file_created" if record.event == "file" else record.event,
        "NotifyTime": utc(record.at_ms),
        "NotifyUrl": record.url,
        "NotifyContent": json.dumps(record.content),
        "NotifyHeader": json.dumps({name: [value] for name, value in record.headers.items()}),
        "NotifyResponse": record.response,
        "NotifyResult": "success" if record.succeeded else "failed",
        "Description": "success" if record.succeeded else "no answer in time, or not 200",
    }


def _storage(record: NotifyRecord) -> str:
    return "vod" if "VideoId" in record.content else "oss"


def _page(rows: list[NotifyRecord], params: Mapping[str, str]) -> tuple[list[NotifyRecord], Json]:
    page, size = number(params, "PageNumber", 1, 100_000), number(params, "PageSize", 20, 500)
    page_fields: Json = {
        "PageNum": page,
        "PageSize": size,
        "TotalNum": len(rows),
        "TotalPage": -(-len(rows) // size),
    }
    return rows[(page - 1) * size : page * size], page_fields

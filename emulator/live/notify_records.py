"""What Live remembers of its callbacks for seven days, and tells when asked (facts/live.md §7)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from emulator.live.api_errors import Refused
from emulator.live.parameters import number, word
from emulator.live.streams import StreamKey, utc

Json = dict[str, object]
WEEK_MS = 7 * 24 * 3_600_000
INGEST_EVENTS = ("publish", "publish_done", "exception", "switch")
ASKED_EVENTS = ("on_demand",)  # in neither list


@dataclass(frozen=True, slots=True)
class Notified:
    """One callback after its last try. `domain` is the one that its configuration stands on."""

    at_ms: int
    event: str
    domain: str
    key: StreamKey
    url: str
    content: Mapping[str, object]
    succeeded: bool
    response: str


class Ledger:
    def __init__(self) -> None:
        self._notified: list[Notified] = []

    def note(self, notified: Notified) -> None:
        self._notified.append(notified)

    def clear(self) -> None:
        self._notified.clear()

    def stream_records(self, given: Mapping[str, str], now_ms: int) -> Json:
        """By ingest domain; the request says PageNumber, the answer PageNum."""
        rows = [one for one in self._asked(given, now_ms) if one.event in INGEST_EVENTS]
        shown, page = _page(rows, given)
        told = [_told(one) | {"NotifyHeader": ""} for one in shown]
        return page | {"NotifyRecordsInfo": {"LiveStreamNotifyRecordsInfo": told}}

    def record_records(self, given: Mapping[str, str], now_ms: int) -> Json:
        """By streaming domain."""
        storage = word(given, "StorageType", ("all", "oss", "vod"))
        both = (*INGEST_EVENTS, *ASKED_EVENTS)
        rows = [one for one in self._asked(given, now_ms) if one.event not in both]
        shown, page = _page([one for one in rows if storage in ("all", _storage(one))], given)
        told = [_told(one) | {"StorageType": _storage(one)} for one in shown]
        return page | {"Code": 0, "Msg": "ok", "CallbackList": told}

    def _asked(self, given: Mapping[str, str], now_ms: int) -> Iterator[Notified]:
        begins, ends = _instant(given, "StartTime"), _instant(given, "EndTime")
        if not begins < ends or begins < now_ms - WEEK_MS:
            raise Refused("MalformedParam", "%s, StartTime is before EndTime and within 7 days.")
        status = word(given, "Status", ("", "success", "failed"))
        for one in self._notified:
            place = {"DomainName": one.domain, "AppName": one.key.app, "StreamName": one.key.stream}
            named = all(given.get(name) in (None, "", value) for name, value in place.items())
            fits = status in ("", "success" if one.succeeded else "failed")
            if named and fits and begins <= one.at_ms < ends:
                yield one


def _told(one: Notified) -> Json:
    return {
        "DomainName": one.domain,
        "AppName": one.key.app,
        "StreamName": one.key.stream,
        "NotifyType": "file_created" if one.event == "file" else one.event,
        "NotifyTime": utc(one.at_ms),
        "NotifyUrl": one.url,
        "NotifyContent": json.dumps(one.content),
        "NotifyResponse": one.response,
        "NotifyResult": "success" if one.succeeded else "failed",
        "Description": "success" if one.succeeded else "no answer in time, or not 200",
    }


def _storage(one: Notified) -> str:
    return "vod" if "VideoId" in one.content else "oss"


def _page(rows: list[Notified], given: Mapping[str, str]) -> tuple[list[Notified], Json]:
    page, size = number(given, "PageNumber", 1, 100_000), number(given, "PageSize", 20, 500)
    told: Json = {
        "PageNum": page,
        "PageSize": size,
        "TotalNum": len(rows),
        "TotalPage": -(-len(rows) // size),
    }
    return rows[(page - 1) * size : page * size], told


def _instant(given: Mapping[str, str], name: str) -> int:
    try:
        found = datetime.strptime(given.get(name, ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise Refused("MalformedParam", f"%s, {name} is not yyyy-MM-ddTHH:mm:ssZ.") from None
    return int(found.timestamp() * 1000)

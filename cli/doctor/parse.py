"""Live's answers as plain values, in the shapes of the official SDK's models; what Live leaves out
is left open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.account import told as listed
from cli.doctor.snapshot import Callback, Format, Identity, Online, Recording, Told

Json = Mapping[str, Any]
YES = ("true", "yes")
"""Live says either (facts/live.md 3)."""


def ms(text: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return round(at.timestamp() * 1000) if at.tzinfo else None


def identity(told: Json) -> Identity:
    """The Arn ends in user/NAME, assumed-role/NAME/SESSION or root."""
    parts = str(told.get("Arn") or "").rpartition(":")[2].split("/")
    return Identity(str(told.get("IdentityType") or ""), parts[1] if len(parts) > 1 else "")


def mapping(told: Json) -> Sequence[tuple[str, str]]:
    found = listed(told, "LiveDomainModels", "LiveDomainModel")
    return [(str(row.get("DomainName")), str(row.get("Type"))) for row in found]


def recordings(told: Json) -> Sequence[Recording]:
    """Of DescribeLiveRecordConfig, whose OnDemand is misspelt (facts/live.md 5)."""
    found = listed(told, "LiveAppRecordList", "LiveAppRecord")
    return [_recording(row, str(row.get("OssBucket") or "")) for row in found]


def vod(told: Json) -> Sequence[Recording]:
    found = listed(told, "LiveRecordVodConfigs", "LiveRecordVodConfig")
    return [_recording(row, "") for row in found]


def _recording(row: Json, bucket: str) -> Recording:
    delay = _number(row.get("DelayTime"))
    return Recording(
        domain=str(row.get("DomainName") or ""),
        app=str(row.get("AppName") or "*"),
        stream=str(row.get("StreamName") or "*"),
        on_demand=_number(row.get("OnDemond", row.get("OnDemand"))),
        delay=None if delay is None else delay * 1000,
        formats=tuple(_formats(row)),
        bucket=bucket,
        endpoint=str(row.get("OssEndpoint") or ""),
        created=ms(row.get("CreateTime")),
    )


def _formats(row: Json) -> Iterator[Format]:
    for one in listed(row, "RecordFormatList", "RecordFormat"):
        yield Format(str(one.get("Format")), str(one.get("OssObjectPrefix") or ""))


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def stream_callback(domain: str, told: Json) -> Callback | None:
    return _callback(domain, told.get("LiveStreamsNotifyConfig"))


def record_callback(domain: str, told: Json) -> Callback | None:
    return _callback(domain, told.get("LiveRecordNotifyConfig"))


def _callback(domain: str, row: object) -> Callback | None:
    """An empty configuration is none; yes and true are both said."""
    if not isinstance(row, dict) or not row.get("NotifyUrl"):
        return None
    signs = row.get("NotifyReqAuth")
    return Callback(
        domain=domain,
        url=str(row["NotifyUrl"]),
        signs=None if signs in (None, "") else _is_yes(signs),
        key=str(row.get("NotifyAuthKey") or ""),
        on_demand_url=str(row.get("OnDemandUrl") or ""),
        status=_is_yes(row.get("NeedStatusNotify")),
    )


def _is_yes(value: object) -> bool:
    return str(value).lower() in YES


def online(told: Json) -> Sequence[Online]:
    found = listed(told, "OnlineInfo", "LiveStreamOnlineInfo")
    named = (
        (row.get("AppName"), row.get("StreamName"), ms(row.get("PublishTime"))) for row in found
    )
    return [Online(str(app), str(name), at) for app, name, at in named if at is not None]


def notified(told: Json) -> Sequence[Json]:
    """Of both kinds of records, whose lists have different names (facts/live.md 7)."""
    found = listed(told, "NotifyRecordsInfo", "LiveStreamNotifyRecordsInfo")
    return sorted(found or listed(told, "CallbackList"), key=lambda row: str(row.get("NotifyTime")))


def lost(records: Iterable[Json]) -> Sequence[Told]:
    """The newest callback of each kind, where it did not arrive; oldest first goes in."""
    newest = {str(row.get("NotifyType")): row for row in records}
    return [
        Told(kind, _stream(row), str(row.get("Description") or ""), str(row.get("NotifyTime")))
        for kind, row in newest.items()
        if row.get("NotifyResult") == "failed"
    ]


ERRORS = ("record_error", "transformat_error")


def broken(records: Iterable[Json]) -> Sequence[Told]:
    """The streams of which an error was the newest that was told."""
    newest = {_stream(row): row for row in records}
    return [
        Told(str(row.get("NotifyType")), stream, _code(row), str(row.get("NotifyTime")))
        for stream, row in newest.items()
        if row.get("NotifyType") in ERRORS
    ]


def _stream(row: Json) -> str:
    return "/".join(str(row.get(name)) for name in ("DomainName", "AppName", "StreamName"))


def _code(row: Json) -> str:
    try:
        said = json.loads(str(row.get("NotifyContent")))
    except (ValueError, RecursionError):
        said = {}
    info = said.get("error_info") if isinstance(said, dict) else None
    return str(info.get("code")) if isinstance(info, dict) else str(row.get("NotifyType"))

"""Parses Live's answers, in the shapes of the official SDK's models, into the Snapshot's values.

cli.doctor.collect and collect_domain call this module. A field that Live omits stays None or empty;
it must not be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.account import rows_at
from cli.doctor.snapshot import Callback, CallbackRecord, Format, Identity, Online, Recording

Json = Mapping[str, Any]
YES = ("true", "yes")
"""Live returns both spellings (docs/platform/live.md §3)."""


def epoch_ms(text: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return round(at.timestamp() * 1000) if at.tzinfo else None


def identity(answer: Json) -> Identity:
    """Return the owner of the credentials from STS' answer. Its Arn ends in user/NAME,
    assumed-role/NAME/SESSION or root."""
    parts = str(answer.get("Arn") or "").rpartition(":")[2].split("/")
    return Identity(str(answer.get("IdentityType") or ""), parts[1] if len(parts) > 1 else "")


def mapping(answer: Json) -> Sequence[tuple[str, str]]:
    found = rows_at(answer, "LiveDomainModels", "LiveDomainModel")
    return [(str(row.get("DomainName")), str(row.get("Type"))) for row in found]


def recordings(answer: Json) -> Sequence[Recording]:
    """Return the configurations that record into OSS. Live's answer spells OnDemand as OnDemond
    (docs/platform/live.md §5)."""
    found = rows_at(answer, "LiveAppRecordList", "LiveAppRecord")
    return [_recording(row, str(row.get("OssBucket") or "")) for row in found]


def vod(answer: Json) -> Sequence[Recording]:
    found = rows_at(answer, "LiveRecordVodConfigs", "LiveRecordVodConfig")
    return [_recording(row, "") for row in found]


def _recording(row: Json, bucket: str) -> Recording:
    delay_s = _number(row.get("DelayTime"))
    return Recording(
        domain=str(row.get("DomainName") or ""),
        app=str(row.get("AppName") or "*"),
        stream=str(row.get("StreamName") or "*"),
        on_demand=_number(row.get("OnDemond", row.get("OnDemand"))),
        delay_ms=None if delay_s is None else delay_s * 1000,
        formats=tuple(_formats(row)),
        bucket=bucket,
        endpoint=str(row.get("OssEndpoint") or ""),
        created_ms=epoch_ms(row.get("CreateTime")),
    )


def _formats(row: Json) -> Iterator[Format]:
    for form in rows_at(row, "RecordFormatList", "RecordFormat"):
        names = (str(form.get(name) or "") for name in ("OssObjectPrefix", "SliceOssObjectPrefix"))
        yield Format(str(form.get("Format")), *names)


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def stream_callback(domain: str, answer: Json) -> Callback | None:
    return _callback(domain, answer.get("LiveStreamsNotifyConfig"))


def record_callback(domain: str, answer: Json) -> Callback | None:
    return _callback(domain, answer.get("LiveRecordNotifyConfig"))


def _callback(domain: str, row: object) -> Callback | None:
    """Return the callback configuration; None for an empty one."""
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


def online(answer: Json) -> Sequence[Online]:
    found = rows_at(answer, "OnlineInfo", "LiveStreamOnlineInfo")
    named = (
        (row.get("AppName"), row.get("StreamName"), epoch_ms(row.get("PublishTime")))
        for row in found
    )
    return [Online(str(app), str(name), at) for app, name, at in named if at is not None]


def notified(answer: Json) -> Sequence[Json]:
    """Return the callback records, oldest first. In Live's answer, the name of their list depends
    on the kind of callback (docs/platform/live.md §7)."""
    found = rows_at(answer, "NotifyRecordsInfo", "LiveStreamNotifyRecordsInfo")
    return oldest_first(found or rows_at(answer, "CallbackList"))


def oldest_first(records: Iterable[Json]) -> Sequence[Json]:
    return sorted(records, key=lambda row: str(row.get("NotifyTime")))


def lost(records: Iterable[Json]) -> Sequence[CallbackRecord]:
    """Return the newest record of each kind of callback, but only of the kinds whose newest
    callback did not arrive. `records` are oldest first."""
    newest = {str(row.get("NotifyType")): row for row in records}
    return [
        CallbackRecord(
            kind, _stream(row), str(row.get("Description") or ""), str(row.get("NotifyTime"))
        )
        for kind, row in newest.items()
        if row.get("NotifyResult") == "failed"
    ]


ERRORS = ("record_error", "transformat_error")


def broken(records: Iterable[Json]) -> Sequence[CallbackRecord]:
    """Return the newest record of each stream, but only of the streams whose newest record is an
    error. `records` are oldest first."""
    newest = {_stream(row): row for row in records}
    return [
        CallbackRecord(str(row.get("NotifyType")), stream, _code(row), str(row.get("NotifyTime")))
        for stream, row in newest.items()
        if row.get("NotifyType") in ERRORS
    ]


def _stream(row: Json) -> str:
    return "/".join(str(row.get(name)) for name in ("DomainName", "AppName", "StreamName"))


def _code(row: Json) -> str:
    try:
        content = json.loads(str(row.get("NotifyContent")))
    except (ValueError, RecursionError):
        content = {}
    info = content.get("error_info") if isinstance(content, dict) else None
    return str(info.get("code")) if isinstance(info, dict) else str(row.get("NotifyType"))

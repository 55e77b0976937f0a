"""Reads and writes Live's configurations: a ConfigTarget names one, a Value holds its parameters.

Commands that read or change a configuration call this module. A Value holds the parameters of the
call that sets the configuration, without the target's names; None means that the configuration does
not exist. A Value may hold a callback key and must not be printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any, Literal

from cli.account import Account, Declined, rows_at
from shared.protocol import StreamKey

Kind = Literal["stream", "record", "oss", "vod"]
Value = Mapping[str, Any]
ABSENT = ("CodeConfigNotFound", "InvalidConfig.NotFound")
"""Codes that Live may return if there is no callback configuration, instead of {}."""
KEY = "NotifyAuthKey"
PAGE_ROWS, LIST_ROWS = 30, 3000

_OSS = ("OssBucket", "OssEndpoint", "DelayTime", "StartTime", "EndTime")
_VOD = (
    "AutoCompose",
    "ComposeVodTranscodeGroupId",
    "CycleDuration",
    "DelayTime",
    "RecordContent",
    "SpaceId",
    "StorageLocation",
    "VodTranscodeGroupId",
)
_NOT_UPDATABLE = {"oss": ("OssBucket",), "vod": ("RecordContent", "SpaceId", "StorageLocation")}
"""Parameters that an update cannot change."""
OBJECT_NAMES = ("OssObjectPrefix", "SliceOssObjectPrefix")


@dataclass(frozen=True, slots=True)
class ConfigTarget:
    """The address of one configuration. The kind "stream" is the ingest callbacks of an ingest
    domain. The other kinds are on a streaming domain: "record" is its recording callbacks, "oss"
    and "vod" are recording configurations.

    Only recording configurations have an application and a stream, "*" for all. An empty `stream`
    means all, too: the configuration was added without a stream.
    """

    kind: Kind
    domain: str
    app: str = ""
    stream: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "stream":
                return _("ingest callbacks of {domain}").format(domain=self.domain)
            case "record":
                return _("recording callbacks of {domain}").format(domain=self.domain)
            case _:
                vod, oss = _("recording into VOD of {streams}"), _("recording of {streams}")
                streams = f"{self.domain}/{self.app}/{self.streams}"
                return (vod if self.kind == "vod" else oss).format(streams=streams)

    @property
    def id(self) -> str:
        """Return the target's name for programs, which is the same in every language."""
        stream = f"/{self.app}/{self.streams}" if self.is_recording else ""
        return f"{self.kind}:{self.domain}{stream}"

    @property
    def is_recording(self) -> bool:
        return self.kind in ("oss", "vod")

    @property
    def names(self) -> dict[str, str]:
        if self.kind in ("stream", "record"):
            return {"DomainName": self.domain}
        stream = {"StreamName": self.stream} if self.stream else {}
        return {"DomainName": self.domain, "AppName": self.app, **stream}

    @property
    def streams(self) -> str:
        """Return the stream's name, "*" for all."""
        return self.stream or "*"

    def covers(self, key: StreamKey) -> bool:
        """Return True if the target is a recording configuration that applies to this stream."""
        is_there = self.is_recording and self.domain == key.domain
        return is_there and self.app in ("*", key.app) and self.streams in ("*", key.stream)


def read(account: Account, target: ConfigTarget) -> Value | None:
    """Return the target's value in Live, None if the configuration does not exist. Raise Declined
    if Live refuses."""
    match target.kind:
        case "stream":
            answer = _describe(account, "DescribeLiveStreamsNotifyUrlConfig", target.names)
            return _stream(answer.get("LiveStreamsNotifyConfig"))
        case "record":
            answer = _describe(account, "DescribeLiveRecordNotifyConfig", target.names)
            return _record(answer.get("LiveRecordNotifyConfig"))
        case _:
            return dict(recordings(account, target.domain)).get(target)


def recordings(account: Account, domain: str) -> Iterator[tuple[ConfigTarget, Value]]:
    """Yield the recording configurations of a streaming domain, into OSS and into VOD. Raise
    Declined if Live refuses."""
    oss = ("LiveAppRecordList", "LiveAppRecord")
    vod = ("LiveRecordVodConfigs", "LiveRecordVodConfig")
    for row in _pages(account, "DescribeLiveRecordConfig", domain, oss):
        yield _target_of("oss", domain, row), _oss(row)
    for row in _pages(account, "DescribeLiveRecordVodConfigs", domain, vod):
        yield _target_of("vod", domain, row), _vod(row)


def online(account: Account, domain: str) -> Iterator[tuple[str, str]]:
    """Yield the application and the name of each live stream of a streaming domain. Raise Declined
    if Live refuses."""
    filters = {"QueryType": "strict", "StreamType": "raw", "OnlyStream": "yes"}
    names = ("OnlineInfo", "LiveStreamOnlineInfo")
    action = "DescribeLiveStreamsOnlineList"
    for row in _pages(account, action, domain, names, LIST_ROWS, **filters):
        yield str(row.get("AppName")), str(row.get("StreamName"))


def write(account: Account, target: ConfigTarget, now: Value | None, wanted: Value | None) -> None:
    """Replace `now`, the target's value in Live, with `wanted`. Raise Declined if Live refuses.

    If no update can make the change, delete the configuration and add it again.
    """
    if now == wanted:
        return
    if wanted is None:
        account.ask(_ACTIONS[target.kind]["delete"], **target.names)
    elif target.kind == "stream" or now is None:
        account.ask(_ACTIONS[target.kind]["add"], **target.names, **_wire_params(wanted))
    elif needs_new(target, now, wanted):
        account.ask(_ACTIONS[target.kind]["delete"], **target.names)
        account.ask(_ACTIONS[target.kind]["add"], **target.names, **_wire_params(wanted))
    else:
        account.ask(
            _ACTIONS[target.kind]["update"], **target.names, **_update_params(target, wanted)
        )


_ACTIONS: Mapping[Kind, Mapping[str, str]] = {
    "stream": {
        "add": "SetLiveStreamsNotifyUrlConfig",
        "delete": "DeleteLiveStreamsNotifyUrlConfig",
    },
    "record": {
        "add": "AddLiveRecordNotifyConfig",
        "update": "UpdateLiveRecordNotifyConfig",
        "delete": "DeleteLiveRecordNotifyConfig",
    },
    "oss": {
        "add": "AddLiveAppRecordConfig",
        "update": "UpdateLiveAppRecordConfig",
        "delete": "DeleteLiveAppRecordConfig",
    },
    "vod": {
        "add": "AddLiveRecordVodConfig",
        "update": "UpdateLiveRecordVodConfig",
        "delete": "DeleteLiveRecordVodConfig",
    },
}


def _describe(account: Account, action: str, names: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return account.ask(action, **names)
    except Declined as declined:
        if declined.code in ABSENT:
            return {}
        raise


def _stream(row: object) -> Value | None:
    """Return an ingest callback configuration, None for an empty one.

    No API returns its SwitchNotifyUrl.
    """
    if not isinstance(row, dict) or not (row.get("NotifyUrl") or row.get("ExceptionNotifyUrl")):
        return None
    value = _present_fields(row, "NotifyUrl", "ExceptionNotifyUrl")
    return value | {
        "NotifyReqAuth": str(row.get("NotifyReqAuth") or "no"),
        **_present_fields(row, KEY),
    }


def _record(row: object) -> Value | None:
    if not isinstance(row, dict) or not (row.get("NotifyUrl") or row.get("OnDemandUrl")):
        return None
    value = _present_fields(row, "NotifyUrl", "OnDemandUrl")
    value["NeedStatusNotify"] = _is_yes(row.get("NeedStatusNotify"))
    if row.get("NotifyReqAuth") is not None:
        value["NotifyReqAuth"] = _is_yes(row["NotifyReqAuth"])
    return value | _present_fields(row, KEY)


def _is_yes(value: object) -> bool:
    """Return True for true and yes: Live's answers have yes and no where its models have booleans
    (docs/platform/live.md §3)."""
    return str(value).lower() in ("true", "yes")


def _target_of(kind: Kind, domain: str, row: Mapping[str, Any]) -> ConfigTarget:
    return ConfigTarget(
        kind, domain, str(row.get("AppName") or "*"), str(row.get("StreamName") or "")
    )


def _oss(row: Mapping[str, Any]) -> Value:
    """Return a configuration for OSS; the answer misspells OnDemand as OnDemond
    (docs/platform/live.md §5)."""
    value = _present_fields(row, *_OSS) | {"OnDemand": row.get("OnDemond", row.get("OnDemand", 0))}
    value["RecordFormat"] = rows_at(row, "RecordFormatList", "RecordFormat")
    if transcoded := rows_at(row, "TranscodeRecordFormatList", "RecordFormat"):
        value["TranscodeRecordFormat"] = transcoded
        templates = row.get("TranscodeTemplates")
        listed = templates.get("Templates") if isinstance(templates, dict) else None
        value["TranscodeTemplates"] = list(listed or [])
    return value


def _vod(row: Mapping[str, Any]) -> Value:
    value = _present_fields(row, *_VOD) | {"OnDemand": row.get("OnDemand", 0)}
    if formats := rows_at(row, "RecordFormatList", "RecordFormat"):
        value["RecordFormat"] = formats
    if templates := row.get("TranscodeTemplates"):
        value["TranscodeTemplates"] = str(templates).split(",")
    return value


def _present_fields(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) not in (None, "")}


def _pages(
    account: Account,
    action: str,
    domain: str,
    names: tuple[str, str],
    size: int = PAGE_ROWS,
    **filters: str,
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all pages; `names` are the fields of the answer that hold the list and, in
    the list, the rows."""
    page, more = 0, True
    while more:
        page += 1
        params = {"DomainName": domain, "PageNum": page, "PageSize": size, **filters}
        rows = rows_at(account.ask(action, **params), *names)
        yield from rows
        more = len(rows) == size


def needs_new(target: ConfigTarget, now: Value, wanted: Value) -> bool:
    """Return True if no update can turn `now` into `wanted`, so that the configuration must be
    deleted and added again."""
    if not target.is_recording:
        return False
    fixed = _NOT_UPDATABLE[target.kind]
    moved = any(now.get(name) != wanted.get(name) for name in fixed)
    return moved or _object_names(now) != _object_names(wanted)


def _object_names(value: Value) -> dict[str, tuple[str, ...]]:
    """Return the object names by format; an update cannot set the name of a new format."""
    formats = (*value.get("RecordFormat", ()), *value.get("TranscodeRecordFormat", ()))
    return {
        entry["Format"]: tuple(entry.get(name, "") for name in OBJECT_NAMES) for entry in formats
    }


def _update_params(target: ConfigTarget, wanted: Value) -> dict[str, Any]:
    fixed = _NOT_UPDATABLE.get(target.kind, ())
    sent = _wire_params({name: value for name, value in wanted.items() if name not in fixed})
    for formats in ("RecordFormat", "TranscodeRecordFormat"):
        if formats in sent and target.kind == "oss":
            sent[formats] = [
                {name: value for name, value in entry.items() if name not in OBJECT_NAMES}
                for entry in sent[formats]
            ]
    return sent


def _wire_params(value: Value) -> dict[str, Any]:
    """Return the parameters as Live documents them: booleans as true and false, no empty ones."""
    return {
        name: str(field).lower() if isinstance(field, bool) else field
        for name, field in value.items()
        if field not in ("", [], None)
    }

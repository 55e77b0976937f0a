"""Live's configurations, each at its place, as plain parameters that can be put there again.

A value is what the call that sets it would be sent, without the names that make up its place; None
is that nothing stands there. Keys of callbacks are among them: kept and compared, never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cli.account import Account, Declined, told

Kind = Literal["stream", "record", "oss", "vod"]
Value = Mapping[str, Any]
ABSENT = ("CodeConfigNotFound", "InvalidConfig.NotFound")
"""What Live says of a callback configuration that is not there, where it does not answer {}."""
KEY = "NotifyAuthKey"
PAGE = 30

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
_KEPT_BY_UPDATE = {"oss": ("OssBucket",), "vod": ("RecordContent", "SpaceId", "StorageLocation")}
"""What an update does not take."""
_NAMES = ("OssObjectPrefix", "SliceOssObjectPrefix")


@dataclass(frozen=True, slots=True)
class Place:
    """`stream` stands on an ingest domain, all others on the streaming domain; only recording
    configurations have an application and a stream, "*" for all. An application's configuration
    may have been added without a stream; then none is named to it, which is for all too."""

    kind: Kind
    domain: str
    app: str = ""
    stream: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "stream":
                return f"ingest callbacks of {self.domain}"
            case "record":
                return f"recording callbacks of {self.domain}"
            case _:
                where = "into VOD " if self.kind == "vod" else ""
                return f"recording {where}of {self.domain}/{self.app}/{self.streams}"

    @property
    def names(self) -> dict[str, str]:
        if self.kind in ("stream", "record"):
            return {"DomainName": self.domain}
        stream = {"StreamName": self.stream} if self.stream else {}
        return {"DomainName": self.domain, "AppName": self.app, **stream}

    @property
    def streams(self) -> str:
        """The name, or "*"."""
        return self.stream or "*"


def read(account: Account, place: Place) -> Value | None:
    """Raises Declined."""
    match place.kind:
        case "stream":
            answer = _described(account, "DescribeLiveStreamsNotifyUrlConfig", place.names)
            return _stream(answer.get("LiveStreamsNotifyConfig"))
        case "record":
            answer = _described(account, "DescribeLiveRecordNotifyConfig", place.names)
            return _record(answer.get("LiveRecordNotifyConfig"))
        case _:
            return dict(recordings(account, place.domain)).get(place)


def recordings(account: Account, domain: str) -> Iterator[tuple[Place, Value]]:
    """All of a streaming domain's, into OSS and into VOD."""
    for row in _pages(account, "DescribeLiveRecordConfig", domain, "LiveAppRecordList"):
        yield _place("oss", domain, row), _oss(row)
    for row in _pages(account, "DescribeLiveRecordVodConfigs", domain, "LiveRecordVodConfigs"):
        yield _place("vod", domain, row), _vod(row)


def write(account: Account, place: Place, now: Value | None, wanted: Value | None) -> None:
    """Put `wanted` in the place of what stands there `now`; raises Declined."""
    if now == wanted:
        return
    if wanted is None:
        account.ask(_ACTIONS[place.kind]["delete"], **place.names)
    elif place.kind == "stream" or now is None:
        account.ask(_ACTIONS[place.kind]["add"], **place.names, **_sent(wanted))
    elif place.kind in _KEPT_BY_UPDATE and _needs_new(place, now, wanted):
        account.ask(_ACTIONS[place.kind]["delete"], **place.names)
        account.ask(_ACTIONS[place.kind]["add"], **place.names, **_sent(wanted))
    else:
        account.ask(_ACTIONS[place.kind]["update"], **place.names, **_updated(place, wanted))


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


def same(one: Value | None, other: Value | None) -> bool:
    """A key that Live does not tell is taken to be the one that was set."""
    if one is None or other is None:
        return one is other
    hidden = {KEY, "NotifyReqAuth"} if not {KEY} & one.keys() & other.keys() else set()
    return {k: v for k, v in one.items() if k not in hidden} == {
        k: v for k, v in other.items() if k not in hidden
    }


def _described(account: Account, action: str, names: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return account.ask(action, **names)
    except Declined as declined:
        if declined.code in ABSENT:
            return {}
        raise


def _stream(row: object) -> Value | None:
    """SwitchNotifyUrl is told by no API."""
    if not isinstance(row, dict) or not (row.get("NotifyUrl") or row.get("ExceptionNotifyUrl")):
        return None
    value = _given(row, "NotifyUrl", "ExceptionNotifyUrl")
    return value | {"NotifyReqAuth": str(row.get("NotifyReqAuth") or "no"), **_given(row, KEY)}


def _record(row: object) -> Value | None:
    if not isinstance(row, dict) or not (row.get("NotifyUrl") or row.get("OnDemandUrl")):
        return None
    value = _given(row, "NotifyUrl", "OnDemandUrl")
    value["NeedStatusNotify"] = _is_yes(row.get("NeedStatusNotify"))
    if row.get("NotifyReqAuth") is not None:
        value["NotifyReqAuth"] = _is_yes(row["NotifyReqAuth"])
    return value | _given(row, KEY)


def _is_yes(value: object) -> bool:
    """Live says yes and no where its own models have booleans (facts/live.md 3)."""
    return str(value).lower() in ("true", "yes")


def _place(kind: Kind, domain: str, row: Mapping[str, Any]) -> Place:
    return Place(kind, domain, str(row.get("AppName") or "*"), str(row.get("StreamName") or ""))


def _oss(row: Mapping[str, Any]) -> Value:
    """facts/live.md 5: the answer spells it OnDemond."""
    value = _given(row, *_OSS) | {"OnDemand": row.get("OnDemond", row.get("OnDemand", 0))}
    value["RecordFormat"] = told(row, "RecordFormatList", "RecordFormat")
    if transcoded := told(row, "TranscodeRecordFormatList", "RecordFormat"):
        value["TranscodeRecordFormat"] = transcoded
        templates = row.get("TranscodeTemplates")
        listed = templates.get("Templates") if isinstance(templates, dict) else None
        value["TranscodeTemplates"] = list(listed or [])
    return value


def _vod(row: Mapping[str, Any]) -> Value:
    value = _given(row, *_VOD) | {"OnDemand": row.get("OnDemand", 0)}
    if formats := told(row, "RecordFormatList", "RecordFormat"):
        value["RecordFormat"] = formats
    if templates := row.get("TranscodeTemplates"):
        value["TranscodeTemplates"] = str(templates).split(",")
    return value


def _given(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) not in (None, "")}


def _pages(account: Account, action: str, domain: str, outer: str) -> Iterator[Mapping[str, Any]]:
    page, more = 0, True
    inner = outer.removesuffix("List").removesuffix("s")
    while more:
        page += 1
        answer = account.ask(action, DomainName=domain, PageNum=page, PageSize=PAGE)
        rows = told(answer, outer, inner)
        yield from rows
        more = len(rows) == PAGE


def _needs_new(place: Place, now: Value, wanted: Value) -> bool:
    kept = _KEPT_BY_UPDATE[place.kind]
    moved = any(now.get(name) != wanted.get(name) for name in kept)
    return moved or _object_names(now) != _object_names(wanted)


def _object_names(value: Value) -> dict[str, tuple[str, ...]]:
    """By format. One that is new has a name to be set, and an update cannot."""
    formats = (*value.get("RecordFormat", ()), *value.get("TranscodeRecordFormat", ()))
    return {one["Format"]: tuple(one.get(name, "") for name in _NAMES) for one in formats}


def _updated(place: Place, wanted: Value) -> dict[str, Any]:
    kept = _KEPT_BY_UPDATE.get(place.kind, ())
    sent = _sent({name: value for name, value in wanted.items() if name not in kept})
    for formats in ("RecordFormat", "TranscodeRecordFormat"):
        if formats in sent and place.kind == "oss":
            sent[formats] = [
                {name: value for name, value in one.items() if name not in _NAMES}
                for one in sent[formats]
            ]
    return sent


def _sent(value: Value) -> dict[str, Any]:
    """The SDK writes a boolean as True, where the documentation has true."""
    return {
        name: str(one).lower() if isinstance(one, bool) else one
        for name, one in value.items()
        if one not in ("", [], None)
    }

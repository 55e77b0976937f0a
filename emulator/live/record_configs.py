"""Recording configurations as the API adds, changes, deletes and tells them: into OSS and into VOD.

They are what publishers and RealTimeRecordCommand meet, from the next publish on
(facts/live.md §6). What an update leaves out is as if it had never been set: nothing says that it
would be kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from emulator.live import parameters
from emulator.live.account import ASK, AUTOMATIC, MANUAL, PUSH_URL, Rule
from emulator.live.api_errors import Refused
from emulator.live.backend import Live
from emulator.live.parameters import Given
from emulator.live.streams import utc

Json = dict[str, object]
MODES = tuple(str(one) for one in (AUTOMATIC, ASK, PUSH_URL, MANUAL))
OSS, VOD = "oss", "vod"
CONTAINERS = {OSS: ("m3u8", "flv", "mp4", "cmaf"), VOD: ("m3u8", "flv", "mp4")}
SLICED = ("m3u8", "cmaf")
CYCLE_S = {"m3u8": 21_600, "cmaf": 21_600, "flv": 3_600, "mp4": 3_600}
VOD_CYCLE_S = 3_600
NUMBERS = ("CycleDuration", "SliceDuration")
VOD_WORDS = (
    "AutoCompose",
    "ComposeVodTranscodeGroupId",
    "RecordContent",
    "SpaceId",
    "StorageLocation",
    "VodTranscodeGroupId",
)


def add(live: Live, given: Given) -> Json:
    """AddLiveAppRecordConfig. A bucket that is not there is found out as the recording begins."""
    parameters.need(given, "DomainName", "AppName", "OssBucket", "OssEndpoint")
    return _put(live, _oss_rule(live, given, given["OssBucket"]))


def update(live: Live, given: Given) -> Json:
    """UpdateLiveAppRecordConfig, which takes no bucket and no object names."""
    parameters.need(given, "DomainName", "AppName", "OssEndpoint")
    before = _held(live, given, OSS)
    rule = _oss_rule(live, given, before.bucket, before)
    live.set_rule(replace(rule, created_ms=before.created_ms))
    return {}


def delete(live: Live, given: Given) -> Json:
    return _drop(live, given, OSS)


def describe(live: Live, given: Given) -> Json:
    order = parameters.word(given, "Order", ("asc", "desc"))
    page = parameters.number(given, "PageNum", 1, 10**6)
    size = parameters.number(given, "PageSize", 10, 30, 5)
    rules = _matching(live, given, OSS)
    if order == "desc":
        rules.reverse()
    return {
        "Order": order,
        "PageNum": page,
        "PageSize": size,
        "TotalNum": len(rules),
        "TotalPage": -(-len(rules) // size),
        "LiveAppRecordList": {
            "LiveAppRecord": [
                _place(rule) | {"OnDemond": rule.on_demand} | dict(rule.told)
                for rule in rules[(page - 1) * size : page * size]
            ]
        },
    }


def add_vod(live: Live, given: Given) -> Json:
    parameters.need(given, "DomainName", "AppName")
    return _put(live, _vod_rule(live, given))


def update_vod(live: Live, given: Given) -> Json:
    before = _held(live, given, VOD)
    live.set_rule(replace(_vod_rule(live, given), created_ms=before.created_ms))
    return {}


def delete_vod(live: Live, given: Given) -> Json:
    return _drop(live, given, VOD)


def describe_vod(live: Live, given: Given) -> Json:
    page = parameters.number(given, "PageNum", 1, 10**6)
    size = parameters.number(given, "PageSize", 10, 100, 5)
    rules = _matching(live, given, VOD)
    shown = rules[(page - 1) * size : page * size]
    return {
        "PageNum": page,
        "PageSize": size,
        "Total": str(len(rules)),
        "LiveRecordVodConfigs": {
            "LiveRecordVodConfig": [
                _place(rule) | {"OnDemand": rule.on_demand} | dict(rule.told) for rule in shown
            ]
        },
    }


def _place(rule: Rule) -> Json:
    return {
        "DomainName": rule.domain,
        "AppName": rule.app,
        "StreamName": rule.stream,
        "DelayTime": rule.delay_ms // 1000,
        "CreateTime": utc(rule.created_ms),
    }


def _matching(live: Live, given: Given, storage: str) -> list[Rule]:
    parameters.need(given, "DomainName")
    live.need_streaming(given["DomainName"])
    return [
        rule
        for rule in live.rules
        if (rule.storage, rule.domain) == (storage, given["DomainName"])
        and given.get("AppName", "") in ("", rule.app)
        and given.get("StreamName", "") in ("", rule.stream)
    ]


def _held(live: Live, given: Given, storage: str) -> Rule:
    parameters.need(given, "DomainName", "AppName")
    live.need_streaming(given["DomainName"])
    place = (given["DomainName"], given["AppName"], given.get("StreamName") or "*")
    held = live.rule_at(place, storage)
    if held is None:
        raise Refused("CodeConfigNotFound")
    return held


def _put(live: Live, rule: Rule) -> Json:
    """facts/live.md §6: one configuration for each domain, application and stream."""
    if live.rule_at(rule.place, rule.storage) is not None:
        raise Refused("ConfigAlreadyExists")
    live.set_rule(rule)
    return {}


def _drop(live: Live, given: Given, storage: str) -> Json:
    live.drop_rule(_held(live, given, storage))
    return {}


def _oss_rule(live: Live, given: Given, bucket: str, before: Rule | None = None) -> Rule:
    formats, transcoded = _formats(given, "RecordFormat"), _formats(given, "TranscodeRecordFormat")
    if not formats and not transcoded:
        raise Refused("MissingParam", "%s, RecordFormat or TranscodeRecordFormat is needed.")
    if before is not None:
        _keep_names(formats, before)
    told: Json = {
        "OssBucket": bucket,
        "OssEndpoint": given["OssEndpoint"],
        "RecordFormatList": {"RecordFormat": formats},
        **{name: given[name] for name in ("StartTime", "EndTime") if given.get(name)},
    }
    if transcoded:
        told["TranscodeRecordFormatList"] = {"RecordFormat": transcoded}
        told["TranscodeTemplates"] = {"Templates": parameters.texts(given, "TranscodeTemplates")}
    cycle_s = min((_cycle_s(one) for one in formats), default=0)
    return _rule(live, given, OSS, (formats, cycle_s, told), bucket)


def _vod_rule(live: Live, given: Given) -> Rule:
    formats = parameters.rows(given, "RecordFormat")
    for one in formats:
        parameters.word(one, "Format", ("", *CONTAINERS[VOD]))
    told: Json = {name: given[name] for name in VOD_WORDS if given.get(name)}
    told["FormatConfig"] = bool(formats)
    if formats:
        told["RecordFormatList"] = {"RecordFormat": [_numbered(one) for one in formats]}
    if templates := parameters.texts(given, "TranscodeTemplates"):
        told["TranscodeTemplates"] = ",".join(templates)
    told["CycleDuration"] = parameters.number(given, "CycleDuration", VOD_CYCLE_S, 21_600, 300)
    shown = formats or [{"Format": "m3u8"}]
    return _rule(live, given, VOD, (shown, told["CycleDuration"], told))


Parts = tuple[Iterable[Given] | list[Json], object, Json]


def _rule(live: Live, given: Given, storage: str, parts: Parts, bucket: str = "") -> Rule:
    formats, cycle_s, told = parts
    live.need_streaming(given["DomainName"])
    return Rule(
        domain=given["DomainName"],
        app=given["AppName"],
        stream=given.get("StreamName") or "*",
        on_demand=int(parameters.word(given, "OnDemand", MODES)),
        delay_ms=1000 * parameters.number(given, "DelayTime", 180, 21_600, 15),
        cycle_ms=1000 * int(str(cycle_s)),
        formats=tuple(str(one.get("Format")) for one in formats),
        storage=storage,
        bucket=bucket,
        created_ms=live.clock.now_ms(),
        told=told,
    )


def _formats(given: Given, name: str) -> list[Json]:
    rows = parameters.rows(given, name)
    for row in rows:
        parameters.need(row, "Format")
        parameters.word(row, "Format", ("", *CONTAINERS[OSS]))
        if "OssObjectPrefix" in row:
            _check_prefix(row["OssObjectPrefix"])
        if row["Format"] in SLICED:
            parameters.number(row, "SliceDuration", 30, 30, 5)
    return [_numbered(row) for row in rows]


def _check_prefix(prefix: str) -> None:
    """As the SDK's models say: a begin and an end must be in the name."""
    has = [("{StartTime}", "{EscapedStartTime}"), ("{EndTime}", "{EscapedEndTime}")]
    if not all(any(one in prefix for one in pair) for pair in has):
        raise Refused("MalformedParam", "%s, OssObjectPrefix needs a start and an end time.")


def _numbered(row: Given) -> Json:
    return {k: int(v) if k in NUMBERS and v.isdigit() else v for k, v in row.items()}


def _cycle_s(one: Json) -> int:
    told = one.get("CycleDuration")
    return told if isinstance(told, int) else CYCLE_S[str(one["Format"])]


def _keep_names(formats: list[Json], before: Rule) -> None:
    """An update cannot say what objects are called: they stay as they were."""
    held = before.told.get("RecordFormatList")
    rows = held.get("RecordFormat", []) if isinstance(held, dict) else []
    names = {row["Format"]: row for row in rows}
    for one in formats:
        for name in ("OssObjectPrefix", "SliceOssObjectPrefix"):
            if name in names.get(one["Format"], {}):
                one.setdefault(name, names[one["Format"]][name])

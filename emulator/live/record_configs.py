"""The API actions on recording rules, into OSS and into VOD.

actions.py lists them by their names on the wire.
A rule applies from the next publish on (docs/platform/live.md §6).
A parameter that an update omits is cleared, because no document states that it would be kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from emulator.live import parameters
from emulator.live.account import ASK, AUTOMATIC, MANUAL, PUSH_URL, Rule
from emulator.live.api_errors import ApiError
from emulator.live.backend import Live
from emulator.live.parameters import Params
from emulator.live.streams import utc

Json = dict[str, object]
MODES = tuple(str(mode) for mode in (AUTOMATIC, ASK, PUSH_URL, MANUAL))
OSS, VOD = "oss", "vod"
CONTAINERS = {OSS: ("m3u8", "flv", "mp4", "cmaf"), VOD: ("m3u8", "flv", "mp4")}
SLICED = ("m3u8", "cmaf")
CYCLE_S = {"m3u8": 21_600, "cmaf": 21_600, "flv": 3_600, "mp4": 3_600}
VOD_CYCLE_S = 3_600
MAX_WINDOW_MS = 7 * 24 * 3_600_000
NUMBERS = ("CycleDuration", "SliceDuration")
VOD_WORDS = (
    "AutoCompose",
    "ComposeVodTranscodeGroupId",
    "RecordContent",
    "SpaceId",
    "StorageLocation",
    "VodTranscodeGroupId",
)


def add(live: Live, params: Params) -> Json:
    """Answer AddLiveAppRecordConfig; a missing bucket shows only when a recording begins."""
    parameters.need(params, "DomainName", "AppName", "OssBucket", "OssEndpoint")
    return _add_rule(live, _oss_rule(live, params, params["OssBucket"]))


def update(live: Live, params: Params) -> Json:
    """Answer UpdateLiveAppRecordConfig, which takes neither a bucket nor object names."""
    parameters.need(params, "DomainName", "AppName", "OssEndpoint")
    before = _existing_rule(live, params, OSS)
    rule = _oss_rule(live, params, before.bucket, before)
    live.set_rule(replace(rule, created_ms=before.created_ms))
    return {}


def delete(live: Live, params: Params) -> Json:
    return _delete_rule(live, params, OSS)


def describe(live: Live, params: Params) -> Json:
    order = parameters.word(params, "Order", ("asc", "desc"))
    page = parameters.number(params, "PageNum", 1, 10**6)
    size = parameters.number(params, "PageSize", 10, 30, 5)
    rules = _matching(live, params, OSS)
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
                _rule_json(rule) | {"OnDemond": rule.on_demand} | dict(rule.api_fields)
                for rule in rules[(page - 1) * size : page * size]
            ]
        },
    }


def add_vod(live: Live, params: Params) -> Json:
    parameters.need(params, "DomainName", "AppName")
    return _add_rule(live, _vod_rule(live, params))


def update_vod(live: Live, params: Params) -> Json:
    before = _existing_rule(live, params, VOD)
    live.set_rule(replace(_vod_rule(live, params), created_ms=before.created_ms))
    return {}


def delete_vod(live: Live, params: Params) -> Json:
    return _delete_rule(live, params, VOD)


def describe_vod(live: Live, params: Params) -> Json:
    page = parameters.number(params, "PageNum", 1, 10**6)
    size = parameters.number(params, "PageSize", 10, 100, 5)
    rules = _matching(live, params, VOD)
    shown = rules[(page - 1) * size : page * size]
    return {
        "PageNum": page,
        "PageSize": size,
        "Total": str(len(rules)),
        "LiveRecordVodConfigs": {
            "LiveRecordVodConfig": [
                _rule_json(rule) | {"OnDemand": rule.on_demand} | dict(rule.api_fields)
                for rule in shown
            ]
        },
    }


def _rule_json(rule: Rule) -> Json:
    return {
        "DomainName": rule.domain,
        "AppName": rule.app,
        "StreamName": rule.stream,
        "DelayTime": rule.delay_ms // 1000,
        "CreateTime": utc(rule.created_ms),
    }


def _matching(live: Live, params: Params, storage: str) -> list[Rule]:
    parameters.need(params, "DomainName")
    live.need_streaming(params["DomainName"])
    return [
        rule
        for rule in live.rules
        if (rule.storage, rule.domain) == (storage, params["DomainName"])
        and params.get("AppName", "") in ("", rule.app)
        and params.get("StreamName", "") in ("", rule.stream)
    ]


def _existing_rule(live: Live, params: Params, storage: str) -> Rule:
    parameters.need(params, "DomainName", "AppName")
    live.need_streaming(params["DomainName"])
    place = (params["DomainName"], params["AppName"], params.get("StreamName") or "*")
    existing = live.rule_at(place, storage)
    if existing is None:
        raise ApiError("CodeConfigNotFound")
    return existing


def _add_rule(live: Live, rule: Rule) -> Json:
    """Add a rule, one for each domain, application and stream (docs/platform/live.md §6)."""
    if live.rule_at(rule.place, rule.storage) is not None:
        raise ApiError("ConfigAlreadyExists")
    live.set_rule(rule)
    return {}


def _delete_rule(live: Live, params: Params, storage: str) -> Json:
    live.drop_rule(_existing_rule(live, params, storage))
    return {}


def _oss_rule(live: Live, params: Params, bucket: str, before: Rule | None = None) -> Rule:
    formats = _formats(params, "RecordFormat")
    transcoded = _formats(params, "TranscodeRecordFormat")
    if not formats and not transcoded:
        raise ApiError("MissingParam", "%s, RecordFormat or TranscodeRecordFormat is needed.")
    if before is not None:
        _keep_names(formats, before)
    api_fields: Json = {
        "OssBucket": bucket,
        "OssEndpoint": params["OssEndpoint"],
        "RecordFormatList": {"RecordFormat": formats},
        **{name: params[name] for name in ("StartTime", "EndTime") if params.get(name)},
    }
    if transcoded:
        api_fields["TranscodeRecordFormatList"] = {"RecordFormat": transcoded}
        api_fields["TranscodeTemplates"] = {
            "Templates": parameters.texts(params, "TranscodeTemplates")
        }
    cycle_s = min((_cycle_s(row) for row in formats), default=0)
    return _rule(live, params, OSS, (formats, cycle_s, api_fields), bucket)


def _vod_rule(live: Live, params: Params) -> Rule:
    if parameters.word(params, "AutoCompose", ("OFF", "ON")) == "ON":
        parameters.need(params, "ComposeVodTranscodeGroupId")
    formats = parameters.rows(params, "RecordFormat")
    for row in formats:
        parameters.word(row, "Format", ("", *CONTAINERS[VOD]))
    api_fields: Json = {name: params[name] for name in VOD_WORDS if params.get(name)}
    api_fields["FormatConfig"] = bool(formats)
    if formats:
        api_fields["RecordFormatList"] = {"RecordFormat": [_parse_numbers(row) for row in formats]}
    if templates := parameters.texts(params, "TranscodeTemplates"):
        api_fields["TranscodeTemplates"] = ",".join(templates)
    api_fields["CycleDuration"] = parameters.number(
        params, "CycleDuration", VOD_CYCLE_S, 21_600, 300
    )
    shown = formats or [{"Format": "m3u8"}]
    return _rule(live, params, VOD, (shown, api_fields["CycleDuration"], api_fields))


Parts = tuple[Iterable[Params] | list[Json], object, Json]


def _rule(live: Live, params: Params, storage: str, parts: Parts, bucket: str = "") -> Rule:
    formats, cycle_s, api_fields = parts
    live.need_streaming(params["DomainName"])
    return Rule(
        domain=params["DomainName"],
        app=params["AppName"],
        stream=params.get("StreamName") or "*",
        on_demand=int(parameters.word(params, "OnDemand", MODES)),
        delay_ms=1000 * parameters.number(params, "DelayTime", 180, 21_600, 15),
        cycle_ms=1000 * int(str(cycle_s)),
        formats=tuple(str(row.get("Format")) for row in formats),
        storage=storage,
        bucket=bucket,
        created_ms=live.clock.now_ms(),
        api_fields=api_fields,
        window=_window(params) if storage == OSS else None,
    )


def _window(params: Params) -> tuple[int, int] | None:
    """Return when a timed configuration records, in ms; None if the configuration has no times.

    A timed configuration is for one stream and for seven days at most (docs/platform/live.md §6).
    """
    if not (params.get("StartTime") or params.get("EndTime")):
        return None
    parameters.need(params, "StreamName", "StartTime", "EndTime")
    begins_ms, ends_ms = (parameters.time_ms(params, name) for name in ("StartTime", "EndTime"))
    if params["StreamName"] == "*" or not begins_ms < ends_ms <= begins_ms + MAX_WINDOW_MS:
        raise ApiError("MalformedParam", "%s, a time is for one stream and for 7 days at most.")
    return begins_ms, ends_ms


def _formats(params: Params, name: str) -> list[Json]:
    rows = parameters.rows(params, name)
    for row in rows:
        parameters.need(row, "Format")
        parameters.word(row, "Format", ("", *CONTAINERS[OSS]))
        if "OssObjectPrefix" in row:
            _check_prefix(row["OssObjectPrefix"])
        if row["Format"] in SLICED:
            parameters.number(row, "SliceDuration", 30, 30, 5)
    return [_parse_numbers(row) for row in rows]


def _check_prefix(prefix: str) -> None:
    """Raise unless the prefix has a start and an end time, as the SDK's models require."""
    has = [("{StartTime}", "{EscapedStartTime}"), ("{EndTime}", "{EscapedEndTime}")]
    if not all(any(variable in prefix for variable in pair) for pair in has):
        raise ApiError("MalformedParam", "%s, OssObjectPrefix needs a start and an end time.")


def _parse_numbers(row: Params) -> Json:
    return {k: int(v) if k in NUMBERS and v.isdigit() else v for k, v in row.items()}


def _cycle_s(row: Json) -> int:
    cycle_s = row.get("CycleDuration")
    return cycle_s if isinstance(cycle_s, int) else CYCLE_S[str(row["Format"])]


def _keep_names(formats: list[Json], before: Rule) -> None:
    """Add the present object names to the new formats, because an update cannot set them."""
    existing = before.api_fields.get("RecordFormatList")
    rows = existing.get("RecordFormat", []) if isinstance(existing, dict) else []
    names = {row["Format"]: row for row in rows}
    for row in formats:
        for name in ("OssObjectPrefix", "SliceOssObjectPrefix"):
            if name in names.get(row["Format"], {}):
                row.setdefault(name, names[row["Format"]][name])

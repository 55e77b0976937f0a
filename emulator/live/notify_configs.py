"""The API actions on callback configurations (docs/platform/live.md §2, §4, §7).

actions.py lists them by their names on the wire.
A parameter that a call omits is cleared, because no document states that it would be kept.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from emulator.live import parameters
from emulator.live.api_errors import ApiError
from emulator.live.backend import Live
from emulator.live.domains import INGEST
from emulator.live.notify import RecordNotify, StreamNotify
from emulator.live.parameters import Params

Json = dict[str, object]
MAX_STREAM_KEY_CHARS, MAX_RECORD_KEY_CHARS = 64, 32


def set_stream(live: Live, params: Params) -> Json:
    domain = _ingest_domain(live, params)
    signs = parameters.word(params, "NotifyReqAuth", ("no", "yes")) == "yes"
    live.notify.stream[domain] = StreamNotify(
        _url(params, "NotifyUrl"),
        _url(params, "ExceptionNotifyUrl"),
        _url(params, "SwitchNotifyUrl"),
        _key(params, MAX_STREAM_KEY_CHARS) if signs else "",
        signs=signs,
    )
    return {}


def describe_stream(live: Live, params: Params) -> Json:
    """Answer DescribeLiveStreamsNotifyUrlConfig; no API returns SwitchNotifyUrl."""
    domain = _ingest_domain(live, params)
    current = live.notify.stream.get(domain)
    if current is None:
        return _absent_config(live, "LiveStreamsNotifyConfig")
    config: Json = {
        "DomainName": domain,
        "NotifyUrl": current.url,
        "ExceptionNotifyUrl": current.exception_url,
        "NotifyReqAuth": "yes" if current.signs else "no",
        "NotifyAuthKey": current.key,
    }
    return {"LiveStreamsNotifyConfig": config}


def delete_stream(live: Live, params: Params) -> Json:
    if live.notify.stream.pop(_ingest_domain(live, params), None) is None:
        raise ApiError("CodeConfigNotFound")
    return {}


def add_record(live: Live, params: Params) -> Json:
    domain = _streaming_domain(live, params)
    if domain in live.notify.record:
        raise ApiError("ConfigAlreadyExists")
    live.notify.record[domain] = _record(params)
    return {}


def update_record(live: Live, params: Params) -> Json:
    domain = _streaming_domain(live, params)
    if domain not in live.notify.record:
        raise ApiError("CodeConfigNotFound")
    live.notify.record[domain] = _record(params)
    return {}


def delete_record(live: Live, params: Params) -> Json:
    if live.notify.record.pop(_streaming_domain(live, params), None) is None:
        raise ApiError("CodeConfigNotFound")
    return {}


def describe_record(live: Live, params: Params) -> Json:
    domain = _streaming_domain(live, params)
    current = live.notify.record.get(domain)
    if current is None:
        return _absent_config(live, "LiveRecordNotifyConfig")
    config: Json = {
        "DomainName": domain,
        "NotifyUrl": current.url,
        "OnDemandUrl": current.on_demand_url,
        "NeedStatusNotify": current.need_status,
    }
    if live.switches.record_key_is_returned:
        config |= {"NotifyReqAuth": current.signs, "NotifyAuthKey": current.key}
    return {"LiveRecordNotifyConfig": config}


def _record(params: Params) -> RecordNotify:
    parameters.need(params, "NotifyUrl")
    signs = parameters.flag(params, "NotifyReqAuth")
    return RecordNotify(
        _url(params, "NotifyUrl"),
        _url(params, "OnDemandUrl"),
        need_status=parameters.flag(params, "NeedStatusNotify"),
        key=_key(params, MAX_RECORD_KEY_CHARS) if signs else "",
        signs=signs,
    )


def _absent_config(live: Live, name: str) -> Json:
    if live.switches.absent_notify_config == "refused":
        raise ApiError("CodeConfigNotFound")
    return {name: {}}


def _ingest_domain(live: Live, params: Params) -> str:
    """Return the ingest domain, or the streaming domain if none is bound (docs/platform/live.md
    §2)."""
    parameters.need(params, "DomainName")
    name = params["DomainName"]
    if live.domains.kind(name) != INGEST and live.ingest_of(name) != name:
        raise ApiError("IllegalOperation")
    return name


def _streaming_domain(live: Live, params: Params) -> str:
    parameters.need(params, "DomainName")
    live.need_streaming(params["DomainName"])
    return params["DomainName"]


def _url(params: Params, name: str) -> str:
    value = params.get(name, "")
    if value and not _is_web(value):
        raise ApiError("InvalidNotifyUrl.Malformed")
    return value


def _is_web(value: str) -> bool:
    try:
        url = urlsplit(value)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname)


def _key(params: Params, max_chars: int) -> str:
    """Return the key, which must be letters and digits.

    The development keys have hyphens, so that nobody can deploy them.
    """
    parameters.need(params, "NotifyAuthKey")
    key = params["NotifyAuthKey"]
    alphabet = "[A-Za-z0-9-]" if key.startswith("dev-") else "[A-Za-z0-9]"
    if not re.fullmatch(rf"{alphabet}{{16,{max_chars}}}", key):
        raise ApiError(
            "MalformedParam", f"%s, NotifyAuthKey has 16 to {max_chars} letters and digits."
        )
    return key

"""The table of API actions, by their names on the wire.

api.py looks up the action of each call here.
Actions must not see signatures, planned faults or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emulator.live import domain_configs, identity, notify_configs, record_configs
from emulator.live.api_errors import ApiError
from emulator.live.backend import Live
from emulator.live.calls import Call
from emulator.live.faults import RECORD_COMMAND
from emulator.live.listing import online_list, stream_state
from emulator.live.parameters import need
from emulator.live.recordings import COMMANDS
from emulator.live.streams import StreamKey

Json = dict[str, object]
Action = Callable[[Live, Mapping[str, str], Call], Json]

LIVE_VERSION = "2016-11-01"
WHO_AM_I = "GetCallerIdentity"


def version_of(action: str) -> str:
    return identity.VERSION if action == WHO_AM_I else LIVE_VERSION


def _record_command(live: Live, params: Mapping[str, str], call: Call) -> Json:
    """Carry out RealTimeRecordCommand (docs/platform/live.md §1)."""
    key = _command_key(live, params)
    stream = live.streams.find(key)
    session = stream.live if stream else None
    call.session = session.number if session else None
    try:
        live.command(params["Command"], key, live.clock.now_ms())
        call.acted = True
    except ApiError as error:
        call.code = error.code
        if error.code == "TaskAlreadyStarted" and stream:
            live.calls.note_command(call, stream, session)
        raise
    if stream:
        live.calls.note_command(call, stream, session)
    return {}


def _command_key(live: Live, params: Mapping[str, str]) -> StreamKey:
    need(params, "DomainName", "AppName", "StreamName", "Command")
    if params["Command"] not in COMMANDS:
        raise ApiError("MalformedParam", "%s, the parameter Command is malformed.")
    names = [name for name in ("DomainName", "AppName", "StreamName") if "*" in params[name]]
    if names:
        raise ApiError("MalformedParam", f"%s, no wildcard is allowed in {', '.join(names)}.")
    _streaming_domain(live, params["DomainName"])
    return StreamKey(params["DomainName"], params["AppName"], params["StreamName"])


def _streaming_domain(live: Live, name: str) -> None:
    """Raise unless the name is a main streaming domain (docs/platform/live.md §1.1)."""
    domain = live.domain(name)
    if domain is None or domain.streaming != name:
        raise ApiError(live.switches.wrong_domain_code)


def _online_list(live: Live, params: Mapping[str, str], _call: Call) -> Json:
    need(params, "DomainName")
    _streaming_domain(live, params["DomainName"])
    return online_list(live, params)


def _stream_state(live: Live, params: Mapping[str, str], _call: Call) -> Json:
    need(params, "DomainName", "AppName", "StreamName")
    return stream_state(live, params)


def _stream_records(live: Live, params: Mapping[str, str], _call: Call) -> Json:
    need(params, "DomainName", "StartTime", "EndTime")
    return live.calls.records.stream_records(params, live.clock.now_ms())


def _record_records(live: Live, params: Mapping[str, str], _call: Call) -> Json:
    need(params, "DomainName", "StartTime", "EndTime", "PageNumber", "PageSize")
    _streaming_domain(live, params["DomainName"])
    return live.calls.records.record_records(params, live.clock.now_ms())


def _caller_identity(live: Live, _params: Mapping[str, str], call: Call) -> Json:
    return identity.caller_identity(live.account, call.access_key)


def _without_call(act: Callable[[Live, Mapping[str, str]], Json]) -> Action:
    """Adapt an action that does not need the call."""
    return lambda live, params, _call: act(live, params)


ACTIONS: Mapping[str, Action] = {
    RECORD_COMMAND: _record_command,
    WHO_AM_I: _caller_identity,
    "DescribeLiveStreamsOnlineList": _online_list,
    "DescribeLiveStreamState": _stream_state,
    "DescribeLiveStreamsNotifyRecords": _stream_records,
    "DescribeLiveRecordNotifyRecords": _record_records,
    "AddLiveAppRecordConfig": _without_call(record_configs.add),
    "UpdateLiveAppRecordConfig": _without_call(record_configs.update),
    "DeleteLiveAppRecordConfig": _without_call(record_configs.delete),
    "DescribeLiveRecordConfig": _without_call(record_configs.describe),
    "AddLiveRecordVodConfig": _without_call(record_configs.add_vod),
    "UpdateLiveRecordVodConfig": _without_call(record_configs.update_vod),
    "DeleteLiveRecordVodConfig": _without_call(record_configs.delete_vod),
    "DescribeLiveRecordVodConfigs": _without_call(record_configs.describe_vod),
    "SetLiveStreamsNotifyUrlConfig": _without_call(notify_configs.set_stream),
    "DescribeLiveStreamsNotifyUrlConfig": _without_call(notify_configs.describe_stream),
    "DeleteLiveStreamsNotifyUrlConfig": _without_call(notify_configs.delete_stream),
    "AddLiveRecordNotifyConfig": _without_call(notify_configs.add_record),
    "UpdateLiveRecordNotifyConfig": _without_call(notify_configs.update_record),
    "DeleteLiveRecordNotifyConfig": _without_call(notify_configs.delete_record),
    "DescribeLiveRecordNotifyConfig": _without_call(notify_configs.describe_record),
    "DescribeLiveDomainMapping": _without_call(domain_configs.mapping),
    "AddLiveDomainMapping": _without_call(domain_configs.bind),
    "DeleteLiveDomainMapping": _without_call(domain_configs.release),
    "DescribeLiveDomainDetail": _without_call(domain_configs.detail),
    "DescribeLiveUserDomains": _without_call(domain_configs.list_domains),
    "StartLiveDomain": _without_call(domain_configs.start),
    "StopLiveDomain": _without_call(domain_configs.stop),
}

"""The API as a caller sees it: reads a call, checks its signature, injects faults, answers.

server.py calls `answer` for each request to "/".
It must not know what an action does.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.live.actions import ACTIONS, Action, version_of
from emulator.live.api_errors import ApiError
from emulator.live.backend import Live
from emulator.live.calls import Call
from emulator.live.clock import real_ms
from emulator.live.faults import RECORD_COMMAND, Fault
from emulator.live.signatures import Wire, read_claim

OK, SERVER_ERROR = 200, 500

Json = dict[str, object]


@dataclass(slots=True)
class Answer:
    """The answer to a call; after a transport fault, the answer that would have been sent."""

    status: int
    body: Json
    request_id: str
    headers: Mapping[str, str]
    transport: str | None = None


def answer(live: Live, wire: Wire) -> Answer:
    call = live.calls.add_call(live.clock.now_ms())
    request_id = str(uuid.uuid4()).upper()
    fault: Fault | None = None
    try:
        _read_call(call, wire)
        action = _admit(live, wire, call)
        if not _is_within_limits(live, call.action):
            return _throttled(live, call, wire, request_id)
        fault = live.plan.fault_for(call.action, call.command, call.stream)
        body = _act(live, wire, call, action, fault)
        result = Answer(OK, body | {"RequestId": request_id}, request_id, {})
    except ApiError as error:
        call.code = error.code
        result = _error_answer(error, wire, request_id)
    return _finish(call, result, fault)


def _is_within_limits(live: Live, action: str) -> bool:
    if action == RECORD_COMMAND:
        return live.limiter.allows(real_ms())
    return live.limiters.allows(action, real_ms())


def _finish(call: Call, result: Answer, fault: Fault | None) -> Answer:
    """Apply the transport fault to the answer and complete the call's log entry."""
    if fault is not None:
        call.fault = fault.name
        result.transport = fault.transport
        if fault.retry_after_ms is not None:
            result.headers = {"x-acs-retry-after": str(fault.retry_after_ms)}
    call.status = result.status if result.transport is None else _caller_status(result.transport)
    return result


def _caller_status(transport: str) -> int | None:
    return {
        "html": 502,
        "garbage_200": 200,
        "empty_object": 200,
        "redirect": 302,
        "swallow": 200,
        "slow": 200,
    }.get(transport)


def _read_call(call: Call, wire: Wire) -> None:
    params = wire.parameters()
    call.action = wire.headers.get("x-acs-action") or params.get("Action", "")
    call.connection = wire.connection
    call.domain = params.get("DomainName", "")
    call.app = params.get("AppName", "")
    call.stream = params.get("StreamName", "")
    if call.action == RECORD_COMMAND:
        call.command = params.get("Command", "")


def _admit(live: Live, wire: Wire, call: Call) -> Action:
    action = ACTIONS.get(call.action)
    if action is None:
        raise ApiError("InvalidAction.NotFound")
    if (wire.headers.get("x-acs-version") or wire.parameters().get("Version")) != version_of(
        call.action
    ):
        raise ApiError("InvalidVersion")
    claim = read_claim(wire)
    call.access_key, call.scheme = claim.access_key, claim.scheme
    live.gate.admit(claim, real_ms() + live.skew_ms)
    live.calls.counters[call.command or call.action] += 1
    return action


def _act(live: Live, wire: Wire, call: Call, action: Action, fault: Fault | None) -> Json:
    params = wire.parameters()
    if fault is None or fault.transport == "slow":
        return action(live, params, call)
    if fault.acts:
        _act_silently(live, action, params, call)
    elif fault.late_ms is not None:
        live.timeline.after(fault.late_ms, lambda at: _act_late(live, action, params, call, at))
    if fault.code is not None:
        raise ApiError(fault.code, fault.message, status=fault.status)
    return {}


def _act_silently(live: Live, action: Action, params: Mapping[str, str], call: Call) -> None:
    try:
        action(live, params, call)
    except ApiError as error:
        call.code = error.code


def _act_late(live: Live, action: Action, params: Mapping[str, str], call: Call, at: int) -> None:
    call.landed_at_ms = at
    try:
        action(live, params, call)
    except ApiError as error:
        call.landed_code = error.code


def _throttled(live: Live, call: Call, wire: Wire, request_id: str) -> Answer:
    live.calls.counters["throttled"] += 1
    error = ApiError("Throttling.User", status=live.switches.throttle_status)
    call.code = error.code
    result = _error_answer(error, wire, request_id)
    if live.switches.throttle_mode == "drop":
        live.calls.counters["dropped"] += 1
        result.transport = "reset"
    elif live.switches.throttle_retry_after is not None:
        result.headers = {"x-acs-retry-after": str(live.switches.throttle_retry_after)}
    return _finish(call, result, None)


def _error_answer(error: ApiError, wire: Wire, request_id: str) -> Answer:
    body: Json = {
        "RequestId": request_id,
        "HostId": wire.headers.get("host", ""),
        "Code": error.code,
        "Message": error.message,
        "Recommend": "https://api.aliyun.com/troubleshoot"
        f"?q={error.code}&product=live&requestId={request_id}",
    }
    return Answer(error.status, body, request_id, {})

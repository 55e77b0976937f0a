"""Turns a person's request about a stream into an event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from functions.record_command import ask_results
from functions.record_command.command_answers import AskView
from functions.record_command.routes import STREAM, ApiRequest, Route
from shared.engine.recorder import HandlingOptions
from shared.errors import Fault
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest
from shared.inbound.request_fields import (
    DURATION,
    Field,
    OneOf,
    choice,
    flag,
    key,
    moment,
    preference,
    span,
    text,
)
from shared.protocol import (
    Asked,
    CancelDelayAsked,
    ExtendAsked,
    RestartAsked,
    StartAsked,
    StopAsked,
)
from shared.protocol.durations import duration, written
from shared.protocol.policy import OnInterruption
from shared.protocol.rules.intent import SHORT_MS
from shared.protocol.state.intent import IdempotencyKey, IfNotLive

SLOT_WAIT_MS = 250
"""A slot further ahead than this is not taken: the command is queued."""

REPLICATED_MS = 100
"""ms that an answer waits at most for the replicas of the store."""

_END = (
    span(
        "max_duration",
        "how long to record, counted from the first accepted start; refused if that end lies in the"
        " past",
        example="4h",
    ),
    moment(
        "until",
        "when to stop, instead of `max_duration`; refused if the recording would last longer"
        " than the stage allows",
    ),
)
_ALLOW_SHORT = flag(
    "allow_short", "`true`: accept an end less than a minute away; otherwise such an end is refused"
)
NOTE = text("note", "free text to store in the history", example="morning show")
START: tuple[Field, ...] = (
    choice(
        "on_interruption",
        OnInterruption,
        "what to do when the stream is interrupted: `resume` records it again, `stop` ends"
        " the recording, `finalize` ends it and writes the file at once",
    ),
    choice(
        "if_not_live",
        IfNotLive,
        "what to do when the stream is not live: `wait` for it, or `fail` at once",
    ),
    *_END,
    _ALLOW_SHORT,
    NOTE,
)
EXTEND = (*_END, _ALLOW_SHORT, NOTE)
RESTART = CANCEL_DELAY = (NOTE,)
END_OF_START = OneOf(("until", "max_duration"))
END_OF_EXTEND = OneOf(("until", "max_duration"), is_required=True)


_LONGER_HOLD = (
    "ask for a shorter time, change the policy so that no rule records the stream, or deploy the"
    " stage with a larger LIVE_RECORD_KEEP"
)


def _hold(value: object) -> int | str:
    return "session" if value == "session" else duration(value)


STOP: tuple[Field, ...] = (
    flag("finalize", "`true`: end the merge delay, too, so that the file appears at once"),
    Field(
        "hold",
        _hold,
        {"anyOf": [{"const": "session"}, DURATION]},
        "how long policy must not start the stream again: a duration; or `session`, for the rest of"
        " this publish. If left out, LIVE_RECORD_HOLD applies",
        "12h",
    ),
    NOTE,
)
ONCE = "Idempotency-Key"
HEADERS: tuple[Field, ...] = (
    key(
        ONCE,
        "a key of your own; for 24 hours, a repeated request with this key changes nothing and"
        " returns the present state",
        example="0b9f7c1e-show-42",
    ),
    preference(
        ask_results.PREFER,
        "`wait=8`: the answer waits up to 8 seconds for Live's confirmation or the command's"
        f" outcome; at most {ask_results.MAX_WAIT_S}",
        example="wait=8",
    ),
)


def start(request: ApiRequest) -> Response:
    _check_end(request)
    return _handle(
        request, StartAsked(request.who, idempotency_key=_once(request, "start"), **request.body)
    )


def extend(request: ApiRequest) -> Response:
    _check_end(request)
    return _handle(
        request, ExtendAsked(request.who, idempotency_key=_once(request, "extend"), **request.body)
    )


def _check_end(request: ApiRequest) -> None:
    """Refuse an end that no recording can have: longer than the stage allows, or in the past; also
    less than a minute ahead, unless the request allows that."""
    until, ceiling = request.body.get("until"), request.invocation.app.settings.max_duration
    left = 1 if until is None else until - request.invocation.app.clock()
    if left <= 0:
        raise BadRequest([Fault("until", "is past: write a time to come")])
    lasts = request.body.get("max_duration")
    for name, ms in (("max_duration", lasts), ("until", None if until is None else left)):
        if ms is not None and ms > ceiling:
            raise ask_results.too_long(name, ceiling)
        if ms is not None and ms < SHORT_MS and not request.body.get("allow_short"):
            raise BadRequest(
                [Fault(name, "is less than a minute away")], hint=ask_results.ALLOW_SHORT
            )


def stop(request: ApiRequest) -> Response:
    body = dict(request.body)
    keep = request.invocation.app.settings.keep
    if body.get("hold") == "session":
        body.update(hold=None, hold_session=True)
    elif body.get("hold", 0) > keep:
        most = f"is longer than this stage keeps the record of a stream: at most {written(keep)}"
        raise BadRequest([Fault("hold", most)], hint=_LONGER_HOLD)
    return _handle(request, StopAsked(request.who, idempotency_key=_once(request, "stop"), **body))


def restart(request: ApiRequest) -> Response:
    return _handle(
        request,
        RestartAsked(request.who, idempotency_key=_once(request, "restart"), **request.body),
    )


def cancel_delay(request: ApiRequest) -> Response:
    key = _once(request, "cancel_delay")
    return _handle(request, CancelDelayAsked(request.who, idempotency_key=key, **request.body))


def _once(request: ApiRequest, command: str) -> IdempotencyKey | None:
    key = request.headers.get(ONCE)
    if key is None:
        return None
    body = json.dumps([command, request.body], sort_keys=True, default=str)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    return IdempotencyKey(key, digest, who=request.who)


def _handle(request: ApiRequest, asked: Asked) -> Response:
    options = HandlingOptions(
        slot_wait_ms=SLOT_WAIT_MS, may_query_live=True, may_send=request.invocation.has_time
    )
    invocation = request.invocation
    handled = invocation.handle(request.stream, asked, options)
    replicated = invocation.app.store.replicated(REPLICATED_MS)
    return ask_results.response_of(request, asked, handled, replicated)


def _asks(
    respond: Callable[[ApiRequest], Response],
    summary: str,
    errors: Sequence[int],
    body: Sequence[Field] = (),
    one_of: OneOf | None = None,
) -> Route:
    return Route(
        method="POST",
        path=f"{STREAM}/{respond.__name__}",
        scope="control",
        respond=respond,
        summary=summary,
        answers={200: AskView, 202: AskView},
        errors=errors,
        body=body,
        headers=HEADERS,
        one_of=one_of,
        begins=respond is start,
    )


ROUTES: tuple[Route, ...] = (
    _asks(
        start,
        "Record this stream until it is stopped or its time ends",
        (409, 502),
        START,
        END_OF_START,
    ),
    _asks(stop, "Stop recording this stream, and keep policy from starting it again", (502,), STOP),
    _asks(
        extend,
        "Move the end of the recording",
        (409,),
        EXTEND,
        END_OF_EXTEND,
    ),
    _asks(restart, "Finish the file now and continue in a new one", (409, 502), RESTART),
    _asks(
        cancel_delay,
        "End the merge delay after a stop, so that the file appears now",
        (409, 502),
        CANCEL_DELAY,
    ),
)

"""Answers Live, which asks at the beginning of a publish whether to record it.

Live calls this module over HTTP. It must answer 200 in time: Live takes any other answer as no.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from shared.engine.counters import CallbackResult
from shared.inbound import live_callbacks
from shared.inbound.function_compute import Request, Response
from shared.inbound.request_errors import UnusableName, UnverifiedCallback
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound import http
from shared.outbound.http import Unanswered
from shared.outbound.relay import Kind
from shared.protocol import StreamKey
from shared.protocol.rules.on_demand import is_asked
from shared.store.store_errors import StoreUnavailable, Unreadable

BUDGET_S = 2.5
"""s within which Live gets its answer. How long Live waits is UNCONFIRMED (docs/platform/live.md
§5)."""
TIMEOUT_S = 0.8
"""s that the previous callback receiver has to answer."""


class OnDemandAnswer(Struct, frozen=True):
    """An answer to Live. `interval` and `formats` can only come from the previous callback
    receiver."""

    need_record: bool
    interval: Mapping[str, int] = field(default_factory=dict)
    formats: Sequence[str] = ()

    def response(self) -> Response:
        body: dict[str, object] = {"ApiVersion": "1.0", "NeedRecord": self.need_record}
        body |= {"Interval": dict(self.interval)} if self.interval else {}
        body |= {"Format": list(self.formats)} if self.formats else {}
        return Response(200, body)


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, request: Request) -> Response:
    """Answer whether to record the stream. If the path token is valid, the status is 200 even if
    something fails; if it is not, raise UnverifiedCallback."""
    tokens = invocation.app.settings.path_tokens
    invocation.counting_failures(
        Kind.ON_DEMAND, lambda: live_callbacks.verify_path_token(request.path, tokens, "on-demand")
    )
    try:
        answer = _say(invocation, request)
        invocation.count_callback(Kind.ON_DEMAND, CallbackResult.ANSWERED)
    except Exception as error:  # noqa: BLE001 - no answer would mean: do not record
        answer = OnDemandAnswer(invocation.app.settings.on_demand_default)
        invocation.log.error("on_demand.defaulted", error=error, need_record=answer.need_record)
    return answer.response()


def _say(invocation: Invocation, request: Request) -> OnDemandAnswer:
    key = _stream(invocation, request)
    proved = _is_proved(invocation, request)
    before = _ask_before(invocation, request) if proved else None
    if key is None:
        return before or OnDemandAnswer(need_record=False)
    try:
        answer = _decide(invocation, key, before)
    except (StoreUnavailable, Unreadable) as error:
        answer = before or OnDemandAnswer(invocation.app.settings.on_demand_default)
        invocation.log.error("on_demand.defaulted", error=error, need_record=answer.need_record)
    invocation.log.info("on_demand.answered", stream=str(key), need_record=answer.need_record)
    return answer


def _stream(invocation: Invocation, request: Request) -> StreamKey | None:
    """Return the stream; None if its domain is not the policy's, or if no command can contain its
    name."""
    try:
        ask = live_callbacks.parse_on_demand(request.query)
    except UnusableName as error:
        invocation.log.warning("callback.ignored", why=error.why)
        return None
    domain = invocation.app.policy.streaming(ask.domain)
    if domain is None:
        invocation.log.warning("callback.ignored", why="a domain the policy does not name", ask=ask)
        return None
    return StreamKey(domain, ask.app, ask.stream)


def _is_proved(invocation: Invocation, request: Request) -> bool:
    """Return False for an invalid signature. Whether Live signs this call is UNCONFIRMED, so a
    request without a signature counts as proved. A request that is not proved gets an answer, too,
    but is not forwarded.
    """
    if not live_callbacks.is_signed(request.headers):
        return True
    settings = invocation.app.settings
    hosts = live_callbacks.signing_hosts(settings.callback_hosts)
    try:
        live_callbacks.verify(
            request.headers,
            domains=hosts,
            keys=settings.record_keys,
            now=invocation.app.clock(),
            window_ms=settings.signature_window,
        )
    except UnverifiedCallback as error:
        invocation.log.warning("callback.refused", why=error.why)
        return False
    return True


def _decide(
    invocation: Invocation, key: StreamKey, before: OnDemandAnswer | None
) -> OnDemandAnswer:
    """Return the answer of the intent, an occurrence or a hold; else of the previous receiver; else
    of the rule. In observe mode only the previous receiver's answer counts.

    Nothing is stored: this call proves neither who sent it nor that the stream will begin. The
    start is still sent when the publish is reported; at worst Live answers it with
    TaskAlreadyStarted.
    """
    loaded, stream_settings = invocation.app.store.load(key), invocation.app.stream_settings(key)
    asked = is_asked(loaded.record, loaded.now, stream_settings.occurrences)
    rule = OnDemandAnswer(stream_settings.records_on_publish)
    ours = OnDemandAnswer(asked) if asked is not None else before or rule
    return (before or OnDemandAnswer(need_record=False)) if stream_settings.observe else ours


def _ask_before(invocation: Invocation, request: Request) -> OnDemandAnswer | None:
    """Return the previous receiver's answer; None if the policy names none, or if it gives no
    valid answer in time."""
    target = invocation.app.policy.forward_to.on_demand
    callback = invocation.forwarded(Kind.ON_DEMAND, request)
    if not target or callback.is_relayed:
        return None
    try:
        status, body = invocation.onward.deliver(target, callback, patience=TIMEOUT_S)
    except Unanswered as error:
        invocation.log.warning("relay.silent", kind=Kind.ON_DEMAND, why=str(error))
        return None
    answer = _read(body) if http.is_taken(status) else None
    if answer is None:
        invocation.log.warning("relay.silent", kind=Kind.ON_DEMAND, status=status)
    return answer


_SECONDS = range(5, 21_601)
_CONTAINERS = {"mp4": "Mp4", "flv": "Flv", "m3u8": "M3U8"}


def _read(body: bytes) -> OnDemandAnswer | None:
    """Return an answer with only the fields that Live knows (docs/platform/live.md §5); None if it
    cannot be read. The body is cut off at 2,048 bytes."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    need = payload.get("NeedRecord") if isinstance(payload, dict) else None
    if not isinstance(need, bool):
        return None
    return OnDemandAnswer(need, _interval(payload.get("Interval")), _formats(payload.get("Format")))


def _interval(value: object) -> dict[str, int]:
    table = value if isinstance(value, dict) else {}
    seconds = {_CONTAINERS.get(str(name).lower(), ""): value for name, value in table.items()}
    return {k: v for k, v in seconds.items() if k and type(v) is int and v in _SECONDS}


def _formats(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    return tuple(name for name in _CONTAINERS if name in names)

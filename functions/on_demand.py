"""Live asks, as a stream begins, whether to record it: any answer but 200 would mean no."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from shared.engine.recorder import HandlingOptions
from shared.inbound import live_callbacks
from shared.inbound.function_compute import Request, Response
from shared.inbound.request_errors import UnverifiedCallback
from shared.invocation import serve
from shared.invocation.invocation import Call
from shared.outbound import http, relay
from shared.outbound.http import Unanswered
from shared.outbound.relay import Kind
from shared.protocol import OnDemandAnswered, StreamKey
from shared.protocol.policy import OnPublish
from shared.protocol.rules.on_demand import is_asked
from shared.quick import dataclass
from shared.store.store_errors import StoreUnavailable

BUDGET = 2.5
"""s; Live's own patience with this call is UNCONFIRMED (facts/live.md 5)."""
PATIENCE = 0.8
"""s that whoever answered before us has for it."""


@dataclass(frozen=True, slots=True)
class Said:
    """`interval` and `formats` are only ever whoever's answered before us."""

    need_record: bool
    interval: Mapping[str, int] = field(default_factory=dict)
    formats: Sequence[str] = ()

    def response(self) -> Response:
        body: dict[str, object] = {"ApiVersion": "1.0", "NeedRecord": self.need_record}
        body |= {"Interval": dict(self.interval)} if self.interval else {}
        body |= {"Format": list(self.formats)} if self.formats else {}
        return Response(200, body)


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET)


def respond(call: Call, request: Request) -> Response:
    """Once the path token holds, this answers 200 whatever happens."""
    live_callbacks.path_token(request.path, call.app.settings.path_tokens)
    try:
        said = _say(call, request)
    except Exception as error:  # noqa: BLE001 - no answer would mean: do not record
        said = Said(call.app.settings.on_demand_default)
        call.log.error("on_demand.defaulted", error=error, need_record=said.need_record)
    return said.response()


def _say(call: Call, request: Request) -> Said:
    told = live_callbacks.parse_on_demand(request.query)
    proved = _is_proved(call, request)
    before = _ask_before(call, request) if proved else None
    domain = call.app.policy.streaming(told.domain)
    if domain is None:
        call.log.warning("callback.ignored", why="a domain the policy does not name", says=told)
        return before or Said(need_record=False)
    key = StreamKey(domain, told.app, told.stream)
    try:
        said = _decide(call, key, before, stores=proved)
    except StoreUnavailable as error:
        said = before or Said(call.app.settings.on_demand_default)
        call.log.error("on_demand.defaulted", error=error, need_record=said.need_record)
    call.log.info("on_demand.answered", stream=str(key), need_record=said.need_record)
    return said


def _is_proved(call: Call, request: Request) -> bool:
    """Whether it is signed is UNCONFIRMED: a signature that is there has to hold. One that does
    not is still answered, and changes nothing."""
    if not live_callbacks.is_signed(request.headers):
        return True
    settings = call.app.settings
    hosts = live_callbacks.signing_hosts(settings.callback_host)
    try:
        live_callbacks.verify(
            request.headers, domains=hosts, keys=settings.record_keys, now=call.app.clock()
        )
    except UnverifiedCallback as error:
        call.log.warning("callback.refused", why=error.why)
        return False
    return True


def _decide(call: Call, key: StreamKey, before: Said | None, *, stores: bool) -> Said:
    """A wish or a hold first, then whoever answered before us, then the rule."""
    loaded, terms = call.app.store.load(key), call.app.terms(key)
    asked = is_asked(loaded.record, loaded.now)
    rule = Said(terms.rule.on_publish is OnPublish.RECORD)
    ours = Said(asked) if asked is not None else before or rule
    if stores:
        _store(call, key, ours)
    return (before or Said(need_record=False)) if terms.observe else ours


def _store(call: Call, key: StreamKey, ours: Said) -> None:
    """Not stored, the publish will send a start that Live needs no more: that is all."""
    try:
        call.handle(
            key, OnDemandAnswered(ours.need_record), HandlingOptions(may_send=lambda: False)
        )
    except StoreUnavailable as error:
        call.log.error("on_demand.unstored", error=error, stream=str(key))


def _ask_before(call: Call, request: Request) -> Said | None:
    """Whoever had this callback before; None while the policy names nobody, or it is silent."""
    target = call.app.policy.forward_to.on_demand
    callback = call.forwarded(Kind.ON_DEMAND, request)
    if not target or callback.is_relayed:
        return None
    what = relay.onward(target, callback)
    try:
        status, body = http.call(what, patience=PATIENCE)
    except Unanswered as error:
        call.log.warning("relay.silent", kind=Kind.ON_DEMAND, why=str(error))
        return None
    said = _read(body) if relay.is_taken(status) else None
    if said is None:
        call.log.warning("relay.silent", kind=Kind.ON_DEMAND, status=status)
    return said


_SECONDS = range(5, 21_601)
_CONTAINERS = {"mp4": "Mp4", "flv": "Flv", "m3u8": "M3U8"}


def _read(body: bytes) -> Said | None:
    """Only what Live understands (facts/live.md 5): the answer is cut off at 2,048 bytes."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    need = told.get("NeedRecord") if isinstance(told, dict) else None
    if not isinstance(need, bool):
        return None
    return Said(need, _interval(told.get("Interval")), _formats(told.get("Format")))


def _interval(told: object) -> dict[str, int]:
    table = told if isinstance(told, dict) else {}
    seconds = {_CONTAINERS.get(str(name).lower(), ""): value for name, value in table.items()}
    return {k: v for k, v in seconds.items() if k and type(v) is int and v in _SECONDS}


def _formats(told: object) -> tuple[str, ...]:
    names = told if isinstance(told, list) else []
    return tuple(name for name in _CONTAINERS if name in names)

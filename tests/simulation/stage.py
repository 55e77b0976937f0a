"""What is deployed: the functions as generators of effects, around the real `Recorder`, `webhook`,
`callbacks`, policy and protocol. What `functions/*` and `shared.invocation.invocation.Call` do in
threads and with sockets is done here step by step, in the same order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.config import load_policy
from shared.config.policy_cache import Known
from shared.config.policy_cache import PolicySource as KnownStore
from shared.engine.dispatcher import ENOUGH
from shared.engine.effects import CallbackSource, Effect, NextDue, Steps, Wait, do
from shared.engine.recorder import ONLY_STORE, SOON_MS, HandleResult, HandlingOptions, Recorder
from shared.inbound import live_callbacks, live_events
from shared.inbound.request_errors import MalformedCallback, UnverifiedCallback
from shared.logs import Log
from shared.outbound.live import CONNECT_MS, LEASE_MS, READ_MS
from shared.protocol import (
    Asked,
    CommandSettled,
    Event,
    OnDemandAnswered,
    Reported,
    StreamKey,
    StreamSettings,
    TimePassed,
)
from shared.protocol.command_errors import StreamNotLive
from shared.protocol.policy import OnPublish
from shared.store.store_errors import StoreUnavailable

TOKEN = "path-token-0123456789"
SLOT = 250
"""ms ahead that an ask and a reconcile take a slot (functions.record_command.asks, reconcile)."""
STORE_PAUSE = 500
BUDGETS = {"record_command": 12_000, "callback": 3_000, "on_demand": 2_500, "reconcile": 70_000}
"""ms; what the functions' own BUDGET says in seconds."""


@dataclass(frozen=True, slots=True)
class Wake(Effect[None]):
    """Wake a reconcile, if one may still be called."""


@dataclass(frozen=True, slots=True)
class Join(Effect[int]):
    """Sign in as a reconcile at work; how many others there are."""


@dataclass(frozen=True, slots=True)
class Leave(Effect[None]):
    pass


@dataclass(frozen=True, slots=True)
class LoadToAnswer(Effect[bool | None]):
    """What a wish says of the publish that begins now
    (shared.protocol.rules.on_demand.is_asked)."""

    key: StreamKey


@dataclass(frozen=True, slots=True)
class Request:
    """What reaches a function: a callback, an ask, a wake or the timer."""

    function: str
    path: str = ""
    headers: Mapping[str, str] | None = None
    fields: Mapping[str, object] | None = None
    body: bytes = b""
    key: StreamKey | None = None
    asked: Asked | None = None
    sent: CommandSettled | None = None
    genuine: str = ""
    """Empty for what is; else how it was made up."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    need_record: bool = False
    handled: HandleResult | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    policy: str
    merge_delay: int
    callback_host: str
    stream_keys: tuple[str, ...]
    record_keys: tuple[str, ...]


class Deployed:
    """What one process keeps from call to call, as shared.invocation.app.App does. `clock` is its
    own."""

    def __init__(
        self,
        settings: Settings,
        store: KnownStore,
        clock: Callable[[], int],
        flight_id: Callable[[], str],
        write: Callable[[str], object],
    ) -> None:
        log = Log(write, now=clock)
        self.settings = settings
        self.clock = clock
        packaged = load_policy(settings.policy, kind="json")
        self.known = Known(store, packaged, clock=clock, log=log)
        self.recorder = Recorder(self.terms, flight_id, LEASE_MS)
        self.woken_at = float("-inf")

    def terms(self, key: StreamKey) -> StreamSettings:
        return StreamSettings(
            rule=self.known.policy().rule(key),
            merge_delay=self.settings.merge_delay,
            status_known=self.known.status_works(key.domain),
        )


class Call:
    """One invocation, as shared.invocation.invocation.Call: its budget, and what it does within
    it."""

    def __init__(self, deployed: Deployed, request: Request, now: Callable[[], int]) -> None:
        self.deployed = deployed
        self.request = request
        self.event: Event = TimePassed()
        self.answered: Callable[[int, bool], None] | None = None
        self._now = now
        self._until = now() + BUDGETS.get(request.function, BUDGETS["callback"])

    def left(self) -> int:
        return max(self._until - self._now(), 0)

    def has_time(self) -> bool:
        return self.left() > CONNECT_MS + READ_MS

    def steps(self) -> Steps[Reply]:
        """Every input has an answer: what is unproved or unreadable is refused."""
        try:
            return (yield from _FUNCTIONS[self.request.function](self))
        except UnverifiedCallback:
            return Reply(401)
        except MalformedCallback:
            return Reply(400)
        except StoreUnavailable:
            return Reply(503)

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> Steps[HandleResult]:
        """shared.invocation.invocation.Call.handle."""
        self.event = event
        first = handled = yield from self.deployed.recorder.handle(key, event, options)
        self.event = TimePassed()
        while (again := _again_in(handled, options)) is not None and again < self.left():
            yield from do(Wait(again))
            handled = yield from self.deployed.recorder.handle(key, TimePassed(), options)
        if handled.waits:
            yield from do(Wake())
        return replace(handled, refused=first.refused)


def _again_in(handled: HandleResult, options: HandlingOptions) -> int | None:
    if options.slot_wait_ms:
        return handled.again_in
    unknown = handled.sent and isinstance(handled.sent[-1][1], StreamNotLive)
    return handled.again_in if unknown else None


# --- functions/*.py -----------------------------------------------------------------------------


def _stream_event(call: Call) -> Steps[Reply]:
    request, deployed = call.request, call.deployed
    query = {name: str(value) for name, value in (request.fields or {}).items()}
    live_callbacks.path_token(request.path, (TOKEN,))
    keys, domains = deployed.settings.stream_keys, [query.get("app", "")]
    live_callbacks.verify(request.headers or {}, domains=domains, keys=keys, now=deployed.clock())
    told = live_callbacks.parse_stream_event(query)
    live_callbacks.not_ahead(request.headers or {}, told.time_ms)
    meant = live_events.of_stream(told, deployed.known.policy().streaming)
    if meant is not None:
        yield from call.handle(*meant, HandlingOptions(may_send=call.has_time))
    return Reply(200)


def _record_event(call: Call) -> Steps[Reply]:
    request, deployed = call.request, call.deployed
    live_callbacks.path_token(request.path, (TOKEN,))
    live_callbacks.verify(
        request.headers or {},
        domains=live_callbacks.signing_hosts(deployed.settings.callback_host),
        keys=deployed.settings.record_keys,
        now=deployed.clock(),
    )
    told = live_callbacks.parse_record_event(request.body)
    meant = live_events.of_record(told, deployed.known.policy().streaming)
    if meant is None:
        return Reply(200)
    yield from call.handle(*meant, HandlingOptions(may_send=call.has_time))
    if isinstance(meant[1], Reported):
        deployed.known.heard_status(meant[0].domain)
    return Reply(200)


def _on_demand(call: Call) -> Steps[Reply]:
    """Answers 200 whatever happens, once the path token holds."""
    request, known = call.request, call.deployed.known
    live_callbacks.path_token(request.path, (TOKEN,))
    told = live_callbacks.parse_on_demand({n: str(v) for n, v in (request.fields or {}).items()})
    domain = known.policy().streaming(told.domain)
    if domain is None:
        return Reply(200)
    key = StreamKey(domain, told.app, told.stream)
    by_rule = call.deployed.terms(key).rule.on_publish is OnPublish.RECORD
    try:
        asked = yield from do(LoadToAnswer(key))
    except StoreUnavailable:
        return Reply(200)
    need = by_rule if asked is None else asked
    try:
        event = OnDemandAnswered(need)
        yield from call.handle(key, event, HandlingOptions(may_send=lambda: False))
    except StoreUnavailable:
        pass
    return Reply(200, need_record=need)


def _record_command(call: Call) -> Steps[Reply]:
    key, asked = call.request.key, call.request.asked
    assert key is not None
    assert asked is not None
    options = HandlingOptions(slot_wait_ms=SLOT, may_query_live=True, may_send=call.has_time)
    handled = yield from call.handle(key, asked, options)
    return Reply(409 if handled.refused else 200, handled=handled)


def _heard_again(call: Call) -> Steps[Reply]:
    """The same answer of Live's once more, as from a proxy that repeats itself."""
    key, sent = call.request.key, call.request.sent
    assert key is not None
    assert sent is not None
    yield from call.handle(key, sent, HandlingOptions())
    return Reply(200)


def _reconcile(call: Call) -> Steps[Reply]:
    options = HandlingOptions(slot_wait_ms=SLOT, may_query_live=True, may_send=call.has_time)
    recorder = call.deployed.recorder
    if call.request.path == "wake":
        if (yield from do(Join())) >= ENOUGH:
            yield from do(Leave())
            return Reply(200)
    else:
        for domain in call.deployed.known.policy().domains:
            yield from recorder.resync(domain.streaming, ONLY_STORE)
        yield from recorder.replay_undelivered(_sources(call), call.has_time)
    yield from _work(call, recorder, options)
    return Reply(200)


def _sources(call: Call) -> list[CallbackSource]:
    domains = call.deployed.known.policy().domains
    sources = [CallbackSource(name, is_ingest=True) for domain in domains for name in domain.ingest]
    return sources + [CallbackSource(domain.streaming, is_ingest=False) for domain in domains]


def _work(call: Call, recorder: Recorder, options: HandlingOptions) -> Steps[None]:
    """shared.invocation.invocation.Call.reconcile."""
    soon: int | None = 0
    while call.has_time() and soon == 0:
        try:
            yield from do(Join())
            yield from recorder.reconcile(options, alone=False)
            yield from do(Leave())
            soon = yield from do(NextDue())
        except StoreUnavailable:  # noqa: PERF203 - each turn of it is seconds long
            yield from do(Wait(STORE_PAUSE))
    if not call.has_time() and soon is not None and soon <= SOON_MS:
        yield from do(Wake())


_FUNCTIONS: Mapping[str, Callable[[Call], Steps[Reply]]] = {
    "stream_events": _stream_event,
    "record_events": _record_event,
    "on_demand": _on_demand,
    "record_command": _record_command,
    "reconcile": _reconcile,
    "heard again": _heard_again,
}
TIMEOUTS = {
    "stream_events": 5_000,
    "record_events": 5_000,
    "on_demand": 5_000,
    "record_command": 15_000,
    "reconcile": 90_000,
}
"""ms; s.yaml's `timeout`."""


def body_of(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()

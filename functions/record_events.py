"""Receives Live's recording callbacks: a recording started, paused, resumed or failed, or a file
was stored.

Live calls this module over HTTP. It changes nothing before the signature is verified.
"""

from __future__ import annotations

from shared.engine.counters import CallbackResult
from shared.inbound import live_callbacks, live_events
from shared.inbound.function_compute import Request, Response
from shared.inbound.live_callbacks import RecordEvent, UnknownEvent
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound.relay import Kind
from shared.protocol import FileLeft, Reported

BUDGET_S = 3.0
"""s within which Live gets its answer; Live waits 5 s (docs/platform/live.md §4)."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, request: Request) -> Response:
    response = invocation.counting_failures(
        Kind.RECORD, lambda: _take(invocation, prove(invocation, request))
    )
    invocation.pass_on(Kind.RECORD, request)
    return response


def _take(invocation: Invocation, callback: RecordEvent) -> Response:
    meant = live_events.of_record(callback, invocation.app.policy.streaming)
    if meant is None:
        invocation.count_callback(Kind.RECORD, CallbackResult.IGNORED)
        return _ignored(invocation, callback)
    key, event = meant
    invocation.handle_callback(Kind.RECORD, key, event)
    if isinstance(event, Reported):
        invocation.app.capabilities.record_status_callback(key.domain)
    if isinstance(event, FileLeft):
        invocation.app.capabilities.record_file_callback(key)
    return Response(200, {"stored": str(key)})


def prove(invocation: Invocation, request: Request) -> RecordEvent:
    """Verify the path token and the signature, and only then parse the body. Return the callback,
    or raise UnverifiedCallback or MalformedCallback."""
    settings = invocation.app.settings
    live_callbacks.verify_path_token(request.path, settings.path_tokens, "record")
    live_callbacks.verify(
        request.headers,
        domains=live_callbacks.signing_hosts(settings.callback_hosts),
        keys=settings.record_keys,
        now=invocation.app.clock(),
        window_ms=settings.signature_window,
    )
    event = live_callbacks.parse_record_event(request.body)
    return live_callbacks.without_future(request.headers, event)


def _ignored(invocation: Invocation, callback: RecordEvent) -> Response:
    """Return an answer of 200: Live must not repeat a callback that we do not know."""
    if isinstance(callback, UnknownEvent):
        invocation.log.warning("callback.ignored", why="an event nobody knows", kind=callback.event)
        return Response(200, {"ignored": "this event is not known"})
    who = {"domain": callback.domain, "app": callback.app, "stream": callback.stream}
    invocation.log.warning("callback.ignored", why="a domain the policy does not name", **who)
    return Response(200, {"ignored": "this domain is not in the policy"})

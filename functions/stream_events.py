"""Receives Live's ingest callbacks: a publish began or ended, an exception, or a switch of
publishers.

Live calls this module over HTTP. It changes nothing before the signature is verified.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.engine.counters import CallbackResult
from shared.inbound import live_callbacks, live_events
from shared.inbound.authorization import authorize, require_all_streams
from shared.inbound.function_compute import Request, Response
from shared.inbound.live_callbacks import StreamEvent
from shared.inbound.rejected_callbacks import RejectedCallbacks
from shared.inbound.request_errors import UnverifiedCallback
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound.relay import Kind
from shared.protocol import Published, Remarked, StreamKey
from shared.protocol.durations import rfc3339

MAX_SIGNED_STREAMS = 10
"""Streams with the same signature that are started at once. Further streams wait for a poll to show
them."""
SIGNED_LATELY_MS = 10_000
"""ms after its signature for which a publish is believed at once. Most arrive within two seconds; a
repeated callback arrives later."""
SIGNED_WITH_MS = 5_000
"""ms by which a publish time may differ from its signature. A later publish time would make the
real events after it look old; an earlier one may belong to another signature."""
BUDGET_S = 3.0
"""s within which Live gets its answer; Live waits 5 s (docs/platform/live.md §2)."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


REFUSED = RejectedCallbacks()


def respond(invocation: Invocation, request: Request) -> Response:
    if request.path.rstrip("/").endswith("/refused"):
        return _refused(invocation, request)
    try:
        return invocation.counting_failures(Kind.STREAM, lambda: _answer(invocation, request))
    except UnverifiedCallback as error:
        REFUSED.keep(_claimed(invocation, request), error.why, invocation.app.clock())
        raise


def _refused(invocation: Invocation, request: Request) -> Response:
    """Return how many callbacks this instance rejected, and, among the newest few, why it rejected
    those that named the stream in the query. The caller's token must allow reading, for all
    streams. No name from a callback is repeated, because anybody can send a callback with any name.
    """
    tokens, now = invocation.app.tokens, invocation.app.clock()
    require_all_streams(authorize(tokens, request, "read", now=now))
    about = request.query.get("stream", "")
    named = [one for one in REFUSED.last() if about and one.claimed == about]
    last = [{"why": one.why, "at": rfc3339(one.at)} for one in named]
    return Response(200, {"refused": REFUSED.count, "last": last})


def _claimed(invocation: Invocation, request: Request) -> str:
    names = [request.query.get(name, "") for name in ("app", "appname", "id")]
    domain = invocation.app.policy.streaming(names[0]) or names[0]
    return "/".join([domain, *names[1:]])


def _answer(invocation: Invocation, request: Request) -> Response:
    """Return the answer to a callback. Ingest callbacks are GET; exceptions and switches are POST
    (docs/platform/live.md §2.1)."""
    if request.method == "POST":
        return _remark(invocation, request)
    callback = prove(invocation, request)
    response = _take(invocation, callback, request)
    invocation.pass_on(Kind.STREAM, request)
    return response


def _take(invocation: Invocation, callback: StreamEvent, request: Request) -> Response:
    meant = live_events.of_stream(callback, invocation.app.policy.streaming)
    if meant is None:
        invocation.log.warning(
            "callback.ignored", why="a domain the policy does not name", **_who(callback)
        )
        invocation.count_callback(Kind.STREAM, CallbackResult.IGNORED)
        return Response(200, {"ignored": "this domain is not in the policy"})
    key, event = meant
    if isinstance(event, Published) and _may_be_replayed(invocation, request, key, event):
        event = replace(event, needs_poll=True)
        invocation.read_lists_soon()
    invocation.handle_callback(Kind.STREAM, key, event)
    return Response(200, {"stored": str(key)})


def _may_be_replayed(
    invocation: Invocation, request: Request, key: StreamKey, event: Published
) -> bool:
    """Return True for a publish whose signature has another time, is too old, or has named many
    streams.

    Live signs only the ingest domain and the second. So all events of a second share one signature,
    and a captured signature fits any stream of the domain. With one captured signature, an attacker
    has at most MAX_SIGNED_STREAMS streams started at once.
    """
    signed_at_s = live_callbacks.signed_at_s(request.headers)
    if abs(event.time - signed_at_s * 1000) > SIGNED_WITH_MS:
        return True
    if invocation.app.clock() - signed_at_s * 1000 > SIGNED_LATELY_MS:
        return True
    return not invocation.app.store.is_among_first(signed_at_s, key, MAX_SIGNED_STREAMS)


def prove(invocation: Invocation, request: Request) -> StreamEvent:
    """Verify the path token and the signature, and only then parse the query. Return the callback,
    or raise UnverifiedCallback or MalformedCallback."""
    settings = invocation.app.settings
    live_callbacks.verify_path_token(request.path, settings.path_tokens, "stream")
    domains = [request.query.get("app", "")]
    live_callbacks.verify(
        request.headers,
        domains=domains,
        keys=settings.stream_keys,
        now=invocation.app.clock(),
        window_ms=settings.signature_window,
    )
    callback = live_callbacks.parse_stream_event(request.query)
    live_callbacks.verify_not_ahead(request.headers, callback.time_ms)
    return callback


def _who(callback: StreamEvent) -> dict[str, str]:
    return {"ingest_domain": callback.ingest_domain, "app": callback.app, "stream": callback.stream}


def _remark(invocation: Invocation, request: Request) -> Response:
    """Log an exception or a switch. Add it to the history if it is signed and names its stream. The
    fields of such a callback, and whether Live signs it, are UNCONFIRMED."""
    settings = invocation.app.settings
    live_callbacks.verify_path_token(request.path, settings.path_tokens, "stream")
    proved = live_callbacks.is_signed(request.headers)
    if proved:
        domains = [name for domain in invocation.app.policy.domains for name in domain.names]
        live_callbacks.verify(
            request.headers,
            domains=domains,
            keys=settings.stream_keys,
            now=invocation.app.clock(),
            window_ms=settings.signature_window,
        )
    remark = live_callbacks.parse_remark(request.body, is_exception="/switch/" not in request.path)
    invocation.log.warning(
        "callback.remarked",
        proved=proved,
        exception=remark.is_exception,
        code=remark.code,
        stream="/".join(filter(None, (remark.domain, remark.app, remark.stream))),
        fields=remark.fields,
    )
    key = live_events.of_remark(remark, invocation.app.policy.streaming) if proved else None
    if key is not None:
        event = Remarked(is_exception=remark.is_exception, what=remark.code)
        invocation.handle_callback(Kind.STREAM, key, event)
    else:
        invocation.count_callback(Kind.STREAM, CallbackResult.IGNORED)
    return Response(200, {"noted": True})

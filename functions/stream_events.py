"""Live says that a stream was published or went away."""

from __future__ import annotations

from shared import app, webhook
from shared.app import Call
from shared.domain import Published, StreamKey, Unpublished
from shared.fc import Request, Response
from shared.recorder import Manner
from shared.webhook import StreamAction, StreamEvent

BUDGET = 3.0
"""s within which Live has its answer; it waits 5 (facts/live.md 2)."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return app.serve(respond, event, context, seconds=BUDGET)


def respond(call: Call, request: Request) -> Response:
    told = prove(call, request)
    domain = call.app.policy.streaming(told.ingest_domain)
    if domain is None:
        call.log.warning("callback.ignored", why="a domain the policy does not name", **_who(told))
        return Response(200, {"ignored": "this domain is not in the policy"})
    key = StreamKey(domain, told.app, told.stream)
    published = told.action is StreamAction.PUBLISH
    happening = Published(told.time_ms) if published else Unpublished(told.time_ms)
    call.handle(key, happening, Manner(has_time=call.has_time))
    return Response(200, {"stored": str(key)})


def prove(call: Call, request: Request) -> StreamEvent:
    """Path token and signature first; what it says is read only then."""
    settings = call.app.settings
    webhook.path_token(request.path, settings.path_tokens)
    domains = [request.query.get("app", "")]
    webhook.verify(
        request.headers, domains=domains, keys=settings.stream_keys, now=call.app.clock()
    )
    return webhook.parse_stream_event(request.query)


def _who(told: StreamEvent) -> dict[str, str]:
    return {"ingest_domain": told.ingest_domain, "app": told.app, "stream": told.stream}

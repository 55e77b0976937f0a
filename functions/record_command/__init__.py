"""The HTTP API: start, stop, restart, cancel_delay; where a stream stands; why."""

from __future__ import annotations

from functions.record_command import asks, views
from functions.record_command.fields import whole
from functions.record_command.routes import Ask, Route, dispatch
from shared import app
from shared.app import Call
from shared.errors import StoreUnavailable
from shared.fc import Request, Response

BUDGET = 12.0
"""s within which a person has an answer."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return app.serve(respond, event, context, seconds=BUDGET)


def respond(call: Call, request: Request) -> Response:
    return dispatch(ROUTES, call, request)


def _status(ask: Ask) -> Response:
    loaded = ask.call.app.store.load(ask.stream)
    terms = ask.call.app.terms(ask.stream)
    return Response(200, views.whole(loaded.record, loaded.now, terms, ask.language))


def _history(ask: Ask) -> Response:
    lines = ask.call.app.store.history(ask.stream, ask.query.get("limit", 100))
    shown = [views.entry(line, ask.language) for line in lines]
    return Response(200, {"stream": str(ask.stream), "history": shown})


STALE = 180_000
"""ms after which a reconcile that ran is a reconcile that stopped running."""


def _health(ask: Ask) -> Response:
    try:
        queue = ask.call.app.store.queue()
        age = ask.call.app.store.marked("reconciled")
    except StoreUnavailable:
        return Response(503, {"ready": False, "store": "unavailable"})
    told = {
        "store": "ok",
        "reconciled_ms_ago": age,
        "due": queue.depth,
        "oldest_due_ms": queue.oldest,
    }
    ready = age is None or age < STALE
    return Response(200 if ready else 503, {"ready": ready, **told})


_STREAM = "/v1/recordings/{domain}/{app}/{stream}"
ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=f"{_STREAM}/start",
        scope="control",
        respond=asks.start,
        summary="Record this stream until told to stop",
        body=asks.START,
        answers=(200, 202),
    ),
    Route(
        method="POST",
        path=f"{_STREAM}/stop",
        scope="control",
        respond=asks.stop,
        summary="Stop recording it, and keep policy from starting it again",
        body=asks.STOP,
        answers=(200, 202),
    ),
    Route(
        method="GET",
        path=_STREAM,
        scope="read",
        respond=_status,
        summary="Where the stream stands, and why",
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/history",
        scope="read",
        respond=_history,
        summary="What happened and why, newest first",
        query=(whole("limit", "how many lines", least=1, most=1000, example=100),),
    ),
    Route(
        method="GET",
        path="/v1/health",
        scope=None,
        respond=_health,
        summary="Ready, or why not",
        answers=(200, 503),
    ),
)

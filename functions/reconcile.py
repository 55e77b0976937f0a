"""Sends what is due, and compares the records with Live's online lists and lost callbacks.

The timer runs all of it every minute. A wake-up call runs the sending alone.
"""

from __future__ import annotations

from shared.engine.recorder import HandlingOptions
from shared.inbound import authorization
from shared.inbound.function_compute import Request, Response, TriggerEvent
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound.wake import KEY_HEADER

BUDGET_S = 70.0
"""s that one run works at most: by then the run of the next minute has begun."""
SLOT_WAIT_MS = 250
"""How far ahead a slot is taken at most."""
RECONCILED = "reconciled"
"""The timestamp of the last reconcile, for health."""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Answer a wake-up over HTTP; raise InvocationFailed if a timer's run could do nothing."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    """Reconcile; return what was done. Function Compute itself authorizes a timer and the API. HTTP
    needs our own key, and only sends what is due."""
    options = HandlingOptions(
        slot_wait_ms=SLOT_WAIT_MS, may_query_live=True, may_send=invocation.has_time
    )
    differences = undelivered = 0
    if isinstance(trigger, Request):
        authorization.check_key(trigger, KEY_HEADER, invocation.app.settings.wake_key)
        if not invocation.is_needed():
            return Response(200, {"differences": 0, "undelivered": 0, "done": 0})
    else:
        invocation.report_store()
        differences = invocation.resync()
        undelivered = invocation.replay_undelivered()
    app = invocation.app
    app.store.touch(RECONCILED)
    done = invocation.dispatcher(options).run(app.workers(), invocation.has_time)
    return Response(200, {"differences": differences, "undelivered": undelivered, "done": done})

"""Every minute and when woken: what is due, doubtful, unseen, over time."""

from __future__ import annotations

import hmac

from shared.engine.recorder import HandlingOptions
from shared.inbound.function_compute import Event, Request, Response
from shared.inbound.request_errors import Unauthorized
from shared.invocation import serve
from shared.invocation.invocation import Call
from shared.outbound.wake import KEY_HEADER

BUDGET = 70.0
"""s that one run works at the most: the next minute's is there by then."""
WAIT = 250
"""ms ahead that a slot is taken."""
MARK = "reconciled"


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve_any(respond, event, context, seconds=BUDGET)


def respond(call: Call, told: Event) -> Response:
    """A timer and the API are let in by Function Compute itself; HTTP needs our own key, and only
    wakes us for what is due."""
    options = HandlingOptions(slot_wait_ms=WAIT, may_query_live=True, may_send=call.has_time)
    differences = undelivered = 0
    if isinstance(told, Request):
        _check_key(call, told)
        if not call.is_needed():
            return Response(200, {"differences": 0, "undelivered": 0, "done": 0})
    else:
        differences = call.resync()
        undelivered = call.replay_undelivered()
    call.app.store.touch(MARK)
    done = call.reconcile(options)
    return Response(200, {"differences": differences, "undelivered": undelivered, "done": done})


def _check_key(call: Call, request: Request) -> None:
    ours = call.app.settings.wake_key
    given = request.headers.get(KEY_HEADER, "")
    if not ours or not hmac.compare_digest(given.encode(), ours.encode()):
        raise Unauthorized(f"{KEY_HEADER} is not the key of this stage")

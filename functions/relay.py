"""Forwards a genuine callback to the receiver that had Live's callbacks before. If that fails,
Function Compute retries.

Our other functions call this module asynchronously, with our own key. It stores no callback.
"""

from __future__ import annotations

from shared.inbound import authorization
from shared.inbound.function_compute import Headers, Request, Response, TriggerEvent, body_of
from shared.inbound.request_errors import Unauthorized
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound import http, relay
from shared.outbound.http import Unanswered
from shared.outbound.relay import Handover, Kind

BUDGET_S = 12.0
TIMEOUT_S = 5.0
"""s to wait for the receiver; Live waits as long (docs/platform/live.md §2)."""
UNDELIVERED_STATUS = 502
_LATER_STATUSES = (408, 429)


class NotForwarded(Exception):
    """The callback was not forwarded. This error is raised out of the handler, because Function
    Compute retries an asynchronous call only if the handler raises an error
    (docs/platform/function-compute.md §3)."""


def handler(event: bytes, context: object) -> dict[str, object]:
    answer = serve.serve_any(respond, event, context, seconds=BUDGET_S)
    if answer["statusCode"] == UNDELIVERED_STATUS:
        raise NotForwarded("the target did not take the callback")
    return answer


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    handover = relay.unpack(body_of(trigger))
    authorization.check_key(handover.key if handover else "", invocation.app.settings.relay_key)
    if handover is None:
        raise Unauthorized("the event is empty")
    return _forward(invocation, handover)


def _forward(invocation: Invocation, handover: Handover) -> Response:
    kind = handover.kind
    target = invocation.app.policy.forward_to.of(kind.value)
    if not target:
        return Response(200, {"ignored": "the policy forwards no such callbacks"})
    try:
        callback = invocation.forwarded(kind, _request(handover))
        status, _ = invocation.onward.deliver(target, callback, patience=TIMEOUT_S)
    except Unanswered as error:
        invocation.log.warning("relay.failed", kind=kind, why=str(error))
        invocation.app.capabilities.record_lost_relay()
        return Response(UNDELIVERED_STATUS)
    return _judge(invocation, kind, status)


def _judge(invocation: Invocation, kind: Kind, status: int) -> Response:
    """Return the answer for the receiver's status. If the receiver refused the callback, it would
    refuse again; only a receiver in trouble is retried."""
    if status >= 500 or status in _LATER_STATUSES:  # noqa: PLR2004 - the server errors of HTTP
        invocation.log.warning("relay.failed", kind=kind, status=status)
        invocation.app.capabilities.record_lost_relay()
        return Response(UNDELIVERED_STATUS)
    if not http.is_taken(status):
        invocation.log.warning("relay.refused", kind=kind, status=status)
        invocation.app.capabilities.record_lost_relay()
    return Response(200, {"status": status})


def _request(handover: Handover) -> Request:
    """Return the callback as a request, in the form in which the function that handed it over had
    received it."""
    headers = Headers(handover.headers)
    return Request("POST", "/", query=handover.query, headers=headers, body=handover.body)

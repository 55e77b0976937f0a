"""The function that signs playback URLs, and verifies files, with the OSS SDK.

People and programs call this module over HTTP, for the files of a stream. Its timer calls it to
verify each file that Live reported and that has no final verdict yet.
"""

from __future__ import annotations

from functions.files import signing, verifying
from shared.errors import Fault
from shared.inbound.function_compute import Invoked, Response, TimerEvent, TriggerEvent
from shared.inbound.request_errors import BadRequest
from shared.invocation import composition, serve
from shared.invocation.invocation import Invocation
from shared.outbound import oss

BUDGET_S = 12.0
"""s within which a caller gets an answer."""
RUN_BUDGET_S = 50.0
"""s that a timer's run works at most. The next run begins one minute after this one began."""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Answer an HTTP request, or the timer's call. Raise InvocationFailed if the timer's run fails,
    for example because the store does not answer."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def prepare() -> None:
    """Load the libraries that the first call needs. Live's SDK is not among them; this function's
    package does not have it."""
    composition.prepare(live=False)
    oss.prepare()


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    if isinstance(trigger, TimerEvent):
        return verifying.run(invocation, RUN_BUDGET_S)
    if isinstance(trigger, Invoked):
        raise BadRequest(
            [Fault("event", "this function accepts only HTTP requests and its timer's events")]
        )
    return signing.respond(invocation, trigger)

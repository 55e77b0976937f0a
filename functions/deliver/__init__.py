"""The function with boto3: it copies verified files to other stores, where the policy says so.

Its own timer calls it each minute. Nothing waits for it, and the source is never touched.
"""

from __future__ import annotations

from msgspec.structs import asdict

from functions.deliver import copying, sweeping
from shared.errors import Fault
from shared.inbound.function_compute import Response, TimerEvent, TriggerEvent
from shared.inbound.request_errors import BadRequest
from shared.invocation import composition, serve
from shared.invocation.invocation import Invocation
from shared.outbound import oss, s3

BUDGET_S = 100.0
"""s that one run works at most: it begins no step in the last 40 of them, when the next has begun.
"""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Copy what is due; raise InvocationFailed if the run could do nothing."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def prepare() -> None:
    """Load what the first event needs, without Live's SDK, which this package does not have."""
    composition.prepare(live=False)
    oss.prepare()
    s3.prepare()


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    if not isinstance(trigger, TimerEvent):
        raise BadRequest([Fault("event", "this function is called by its timer alone")])
    aborted = sweeping.sweep(invocation)
    return Response(200, {**asdict(copying.run(invocation)), "aborted_uploads": aborted})

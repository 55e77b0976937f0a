"""The function that copies verified files to other S3-compatible stores, as the policy says.

Its timer calls this module every minute. Nothing waits for it, and it never changes the source
file.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import asdict

from functions.deliver import copying, sweeping
from shared.errors import Fault
from shared.inbound.function_compute import Response, TimerEvent, TriggerEvent
from shared.inbound.request_errors import BadRequest
from shared.invocation import composition, serve
from shared.invocation.app import App
from shared.invocation.invocation import Invocation
from shared.outbound import oss, s3
from shared.outbox.unset_receivers import note, unset
from shared.store.store_errors import StoreUnavailable

BUDGET_S = 100.0
"""s that one run works at most. In the last 40 s it begins no new step, because the next run has
started by then."""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Answer the timer's call: copy files, as far as there is time. Raise InvocationFailed if the
    run fails, for example because the store does not answer."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def prepare() -> None:
    """Load the libraries that the first call needs. Live's SDK is not among them; this function's
    package does not have it."""
    composition.prepare(live=False)
    oss.prepare()
    s3.prepare()


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    if not isinstance(trigger, TimerEvent):
        raise BadRequest([Fault("event", "this function accepts only its timer's events")])
    _note_unset(invocation.app)
    aborted = sweeping.sweep(invocation)
    return Response(200, {**asdict(copying.run(invocation)), "aborted_uploads": aborted})


def _note_unset(app: App) -> None:
    """Record the access keys that the policy names and the settings lack."""
    named = [rule.credentials for rule in app.policy.deliver]
    known = [key.name for key in app.settings.deliver_credentials]
    with suppress(StoreUnavailable):  # a full store takes no note, but copies go on
        note(app.store, "deliver", unset("LIVE_RECORD_DELIVER_CREDENTIALS", named, known))

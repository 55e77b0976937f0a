"""The function that notifies people and programs: it sends chat messages and webhook events.

Its timer calls this module every minute. It sends nothing to Live, and nothing waits for it.
"""

from __future__ import annotations

from contextlib import closing, suppress

from functions.notify import evaluating, letters, messaging
from functions.notify.telling import Telling
from shared.engine.step_marks import NOTIFY, began
from shared.errors import Fault
from shared.inbound.function_compute import Response, TimerEvent, TriggerEvent
from shared.inbound.request_errors import BadRequest
from shared.invocation import serve
from shared.invocation.app import App
from shared.invocation.invocation import Invocation
from shared.outbound.http import Connections
from shared.outbox.unset_receivers import note, unset
from shared.store.store_errors import StoreUnavailable

BUDGET_S = 66.0
"""s that one run works at most. The next minute's run has begun by then."""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Answer the timer's call. Raise InvocationFailed if the run fails, for example because the
    store does not answer."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    """Send webhooks; at the same time update the alerts, send messages to chat robots, and drop old
    dead letters. Return how many there were of each."""
    if not isinstance(trigger, TimerEvent):
        raise BadRequest([Fault("event", "this function accepts only its timer's events")])
    invocation.app.store.touch(began(NOTIFY))
    _note_unset(invocation.app)
    with closing(Connections()) as connections, (workers := invocation.app.workers()):
        telling = Telling(invocation, connections)
        telling.start(workers)
        planned = evaluating.evaluate(invocation)
        sent = messaging.send(invocation)
        dropped = letters.drop(invocation)
    done = {"messages": planned, "sent": sent, "dropped_letters": dropped}
    return Response(200, {**done, "webhooks": telling.result()})


def _note_unset(app: App) -> None:
    """Record the robots and secrets that the policy names and the settings lack."""
    settings, policy = app.settings, app.policy
    sinks = [rule.sink for rule in policy.notify]
    robots = [robot.name for robot in settings.robots]
    secrets = [name for hook in policy.webhooks for name in hook.secrets]
    found = [
        *unset("LIVE_RECORD_ROBOTS", sinks, robots),
        *unset("LIVE_RECORD_WEBHOOK_SECRETS", secrets, settings.webhook_secrets),
    ]
    with suppress(StoreUnavailable):  # a full store takes no note, but messages go on
        note(app.store, "notify", found)

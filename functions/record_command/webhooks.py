"""The webhook receivers of the policy: lists them with their states, and sends one of them a test
event.

The function `notify` sends events and stores each receiver's state. This module reads that state,
and queues test events.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from functions.record_command.answers import (
    TestedWebhookView,
    WebhooksView,
    WebhookTestView,
    WebhookView,
)
from functions.record_command.routes import ApiRequest
from shared.decoding import Undecodable, decode
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import NotFound, WrongState
from shared.outbox.endpoint import WebhookTestAnswer, answer_note_of, endpoint_of, note_of
from shared.outbox.event import EventBody, EventType, event_task
from shared.outbox.task import OF_STAGE
from shared.protocol.durations import rfc3339
from shared.protocol.policy import Webhook
from shared.store import Store


def listed(request: ApiRequest) -> Response:
    app = request.invocation.app
    return Response(200, WebhooksView([_view(app.store, hook) for hook in app.policy.webhooks]))


def _view(store: Store, hook: Webhook) -> WebhookView:
    """Return a receiver without the path and query of its URL, which may be secret."""
    endpoint = endpoint_of(hook.url, store.get_text(note_of(hook.name)))
    url = urlsplit(hook.url)
    since = endpoint.failing_since if endpoint.closed_at is None else endpoint.closed_at
    return WebhookView(
        name=hook.name,
        address=f"{url.scheme}://{url.hostname or ''}",
        events=hook.events,
        streams=str(hook.match),
        state=endpoint.phase.value,
        since=None if since is None else rfc3339(since),
        why=endpoint.why,
        test=_answer(store, hook),
    )


def _answer(store: Store, hook: Webhook) -> WebhookTestView | None:
    """Return the receiver's answer to its latest test; None if there was no test."""
    note = store.get_text(answer_note_of(hook.name))
    try:
        answer = decode(note or "", WebhookTestAnswer)
    except Undecodable:
        return None
    return WebhookTestView(
        id=answer.id,
        at=rfc3339(answer.at),
        is_taken=not answer.why,
        status=answer.status or None,
        why=answer.why,
        took_ms=answer.took_ms,
    )


def test(request: ApiRequest) -> Response:
    """Queue a test event for a receiver. Once `notify` has sent the event, the list of receivers
    shows the receiver's answer."""
    app, (name,) = request.invocation.app, request.values
    if app.policy.webhook(name) is None:
        raise NotFound(
            "the policy names no webhook of this name",
            hint="`GET /v1/webhooks` lists the receivers",
        )
    now = app.clock()
    body = EventBody(EventType.WEBHOOK_TEST, now, {"receiver": name}, only=name)
    task = event_task(OF_STAGE, body, now, origin=secrets.token_hex(8))
    if app.store.add_tasks(OF_STAGE, (task,)):
        raise WrongState(
            "too many deliveries are open already",
            hint="wait until the stage has done some of these deliveries: `GET /v1/health`"
            " says how many are open",
        )
    return Response(202, TestedWebhookView(name, task.id))

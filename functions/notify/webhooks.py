"""Delivers events to one receiver, and stores whether the receiver takes them.

The timer's run calls this module. Each receiver has its own queue and workers.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from functions.notify.endpoints import Endpoints
from shared.decoding import Undecodable, decode
from shared.invocation.invocation import Invocation
from shared.outbound import http
from shared.outbound.http import Connections, Unanswered
from shared.outbound.webhook import NotAllowed, WebhookSender
from shared.outbox.endpoint import Endpoint, EndpointPhase, WebhookTestAnswer, answer_note_of
from shared.outbox.event import WebhookBody
from shared.outbox.settlement import UNREADABLE, Done, Failed, Outcome
from shared.outbox.task import Task
from shared.protocol.policy import Webhook

GONE_STATUS = 410


def refuse(task: Task) -> Outcome:
    """Fail a delivery for good, because the policy no longer names its receiver."""
    return Failed(f"the policy names no webhook {task.receiver}", is_final=True)


def _closed(known: Endpoint) -> Failed:
    if known.phase is EndpointPhase.ENDED:
        return Failed(f"the receiver is ended: {known.why}", is_final=True)
    return Failed(f"the receiver is paused: {known.why}", is_final=True)


class Deliver(Struct, frozen=True):
    """A function object: for the task of a delivery, it sends the event to the receiver `hook`, and
    returns the outcome."""

    invocation: Invocation
    hook: Webhook
    endpoints: Endpoints
    sender: WebhookSender

    def __call__(self, task: Task) -> Outcome:
        try:
            body = decode(task.body, WebhookBody)
        except Undecodable:
            return UNREADABLE
        return self._test(body) if body.is_test else self._deliver(body)

    def _deliver(self, body: WebhookBody) -> Outcome:
        known = self.endpoints.of(self.hook)
        if not known.is_open:
            return _closed(known)
        status, why = self._send(body)
        if not why:
            self._note(known.succeeded())
            return Done()
        now = self.invocation.app.clock()
        gone = status == GONE_STATUS
        self._note(known.ended(now, why) if gone else known.failed(now, why))
        return Failed(why, is_final=gone)

    def _test(self, body: WebhookBody) -> Outcome:
        """Send a test event, even to a receiver that is paused or has ended, and store the answer.
        A failed test is not retried, because a person waits for it. A successful one resumes the
        receiver.
        """
        app = self.invocation.app
        at, begun = app.clock(), app.monotonic()
        status, why = self._send(body)
        took_ms = round((app.monotonic() - begun) * 1000)
        answer = WebhookTestAnswer(body.id, at, status, why, took_ms)
        if not why:
            self._note(self.endpoints.of(self.hook).succeeded())
        note = msgspec.json.encode(answer).decode()
        app.store.set_text(answer_note_of(self.hook.name), note)
        return Done()

    def _send(self, body: WebhookBody) -> tuple[int, str]:
        """Return the HTTP status (0 without an answer) and the reason for a failure ("" for a
        success)."""
        hook, now = self.hook, self.invocation.app.clock()
        try:
            status = self.sender.send(hook.url, hook.secrets, body.id, body.payload, at_ms=now)
        except NotAllowed as error:
            return 0, str(error)
        except Unanswered as error:
            return 0, f"no answer: {error}"
        return status, "" if http.is_taken(status) else f"status {status}"

    def _note(self, endpoint: Endpoint) -> None:
        if not self.endpoints.put(self.hook, endpoint):
            return
        log, name, phase = self.invocation.log, self.hook.name, endpoint.phase
        if phase is EndpointPhase.ACTIVE:
            log.info("webhook.active", receiver=name)
        else:
            log.warning("webhook.failing", receiver=name, phase=phase.value, why=endpoint.why)


def attempts(
    invocation: Invocation, hook: Webhook, endpoints: Endpoints, connections: Connections
) -> Callable[[], Deliver]:
    """Return a function that makes a `Deliver` for each worker of this receiver."""
    settings = invocation.app.settings
    sender = WebhookSender(
        settings.webhook_hosts,
        settings.webhook_secrets,
        connections,
        anywhere=settings.is_emulated,
    )
    return lambda: Deliver(invocation, hook, endpoints, sender)

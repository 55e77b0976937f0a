"""Turns each event into a delivery for each webhook receiver that wants it, in the receiver's own
queue.

The timer's run calls this module. One step stores the deliveries and removes the event.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from functions.event_view import payload_of
from functions.notify.endpoints import Endpoints
from shared.decoding import Undecodable, decode
from shared.invocation.invocation import Invocation
from shared.outbox.event import EventBody, EventType, WebhookBody, webhook_task
from shared.outbox.settlement import UNREADABLE, Done, Outcome
from shared.outbox.task import OF_STAGE, Task
from shared.protocol.policy import Webhook


class HandOver(Struct):
    """A function object: for the task of an event, it returns the outcome that adds the event's
    deliveries. `skipped` counts the deliveries left out so far, because their receiver is paused or
    has answered that it is gone."""

    invocation: Invocation
    endpoints: Endpoints
    skipped: int = 0

    def __call__(self, task: Task) -> Outcome:
        try:
            body = decode(task.body, EventBody)
        except Undecodable:
            return UNREADABLE
        receivers = self._receivers(task, body)
        if not receivers:
            return Done()
        payload = payload_of(task, body, self.invocation.app.settings.stage)
        is_test = body.type is EventType.WEBHOOK_TEST
        delivery = WebhookBody(task.id, payload, is_test)
        return Done(tasks=tuple(webhook_task(hook.name, delivery) for hook in receivers))

    def _receivers(self, task: Task, body: EventBody) -> Sequence[Webhook]:
        hooks = self.invocation.app.policy.webhooks
        if body.only:
            return [hook for hook in hooks if hook.name == body.only]
        stream = body.of or task.stream
        of_all = stream == OF_STAGE
        wanted = [
            hook
            for hook in hooks
            if body.type.fits(hook.events) and (of_all or hook.match.holds(stream))
        ]
        found = [hook for hook in wanted if self.endpoints.of(hook).is_open]
        self.skipped += len(wanted) - len(found)
        return found

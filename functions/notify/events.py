"""Hands each event to the receivers of the policy: one delivery each, in the receiver's own queue.

The run of the timer calls it. The event is gone in the step that stores its deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from functions.event_view import payload_of
from functions.notify.endpoints import Endpoints
from shared.invocation.invocation import Invocation
from shared.outbox import (
    OF_STAGE,
    Done,
    EventBody,
    EventType,
    Failed,
    Outcome,
    Task,
    WebhookBody,
    webhook_task,
)
from shared.protocol.policy import Webhook


class HandOver(Struct):
    """Hands one event at a time over. `skipped` counts the deliveries that a receiver which is
    paused or has ended does not get."""

    invocation: Invocation
    endpoints: Endpoints
    skipped: int = 0

    def __call__(self, task: Task) -> Outcome:
        try:
            body = msgspec.json.decode(task.body, type=EventBody)
        except (msgspec.MsgspecError, RecursionError):
            return Failed("what it says cannot be read", is_final=True)
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

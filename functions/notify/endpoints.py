"""Caches the state of each webhook receiver: reads it now and then, writes it when it changes."""

from __future__ import annotations

from threading import Lock

from msgspec import Struct, field

from shared.invocation.app import App
from shared.outbox.endpoint import Endpoint, endpoint_note, endpoint_of, note_of
from shared.protocol.policy import Webhook

READ_EVERY_MS = 10_000
"""ms after which a state is read again, since another instance may have changed it."""


class Endpoints(Struct):
    """The states of the receivers, shared by the workers of one run."""

    app: App
    known: dict[str, tuple[int, Endpoint]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def of(self, hook: Webhook) -> Endpoint:
        now = self.app.clock()
        with self.lock:
            read_at, endpoint = self.known.get(hook.name, (0, None))
        if endpoint is not None and abs(now - read_at) < READ_EVERY_MS:
            return endpoint
        endpoint = endpoint_of(hook.url, self.app.store.get_text(note_of(hook.name)))
        with self.lock:
            self.known[hook.name] = (now, endpoint)
        return endpoint

    def put(self, hook: Webhook, endpoint: Endpoint) -> bool:
        """Store a receiver's state if it differs from the known one. Return True if it was
        stored."""
        if self.of(hook) == endpoint:
            return False
        self.app.store.set_text(note_of(hook.name), endpoint_note(endpoint))
        with self.lock:
            self.known[hook.name] = (self.app.clock(), endpoint)
        return True

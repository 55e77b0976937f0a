"""Sends an event to a webhook receiver, signed by the Standard Webhooks specification.

The function `notify` calls this module once for each attempt. It retries nothing and does not know
what the event means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from urllib.parse import urlsplit

from msgspec import Struct

from shared.outbound.http import Connections, Outgoing, Unanswered
from shared.outbound.public_address import INSECURE, is_secure, reachable

TIMEOUT_S = 5.0
"""s for the whole call, from the resolution of the name to the last byte of the answer."""


class NotAllowed(Exception):
    """The stage's settings do not allow the event to go there; the text names the setting."""


class WebhookSender(Struct, frozen=True):
    """Sends events, but only to public addresses of the `hosts`, and over TLS. `secrets` maps the
    name of a secret to the secret. `anywhere` is for the emulator, whose receivers run on the same
    machine."""

    hosts: tuple[str, ...]
    secrets: Mapping[str, str]
    connections: Connections
    anywhere: bool = False

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "WebhookSender(…)"

    def send(
        self, url: str, names: Sequence[str], event_id: str, payload: str, *, at_ms: int
    ) -> int:
        """Send the event, signed with each of the secrets that `names` lists; return the status of
        the answer. A redirect is not followed. Raise Unanswered if no answer came in time,
        NotAllowed if the settings forbid the call."""
        target = urlsplit(url)
        if (target.hostname or "").lower() not in self.hosts:
            raise NotAllowed("the receiver's host is not in LIVE_RECORD_WEBHOOK_HOSTS")
        if not is_secure(url, anywhere=self.anywhere):
            raise NotAllowed(INSECURE)
        headers = self._signed(names, event_id, payload, at_ms)
        may_reach = reachable(anywhere=self.anywhere)
        outgoing = Outgoing("POST", url, headers, payload.encode())
        return self.connections.call(outgoing, patience=TIMEOUT_S, may_reach=may_reach)

    def _signed(
        self, names: Sequence[str], event_id: str, payload: str, at_ms: int
    ) -> Mapping[str, str]:
        """Return the headers, with a signature for each secret; the receiver knows at least one of
        the secrets."""
        from standardwebhooks import Webhook

        missing = [name for name in names if name not in self.secrets]
        if missing:
            raise NotAllowed(f"LIVE_RECORD_WEBHOOK_SECRETS has no secret of the name {missing[0]}")
        at = datetime.fromtimestamp(at_ms // 1000, tz=timezone.utc)
        signatures = [Webhook(self.secrets[name]).sign(event_id, at, payload) for name in names]
        return {
            "Content-Type": "application/json",
            "User-Agent": "live-record",
            "webhook-id": event_id,
            "webhook-timestamp": str(at_ms // 1000),
            "webhook-signature": " ".join(signatures),
        }


__all__ = ["TIMEOUT_S", "NotAllowed", "Unanswered", "WebhookSender"]

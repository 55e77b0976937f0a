"""What is known of a receiver of events: whether it answers, has ended, or is paused.

The function notify keeps one of each, and writes it only when it changes. It is pure.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

PAUSE_AFTER_MS = 5 * 86_400_000
"""ms for which a receiver may have taken nothing before it is paused."""


class EndpointPhase(str, Enum):
    """Whether events are sent. `ENDED`: it answered 410. `PAUSED`: it took nothing for too long. A
    test that it takes opens either."""

    ACTIVE = "active"
    FAILING = "failing"
    PAUSED = "paused"
    ENDED = "ended"


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """The state of the receiver with this URL. Times in ms."""

    url_digest: str
    failing_since: int | None = None
    closed_at: int | None = None
    has_ended: bool = False
    why: str = ""

    @property
    def phase(self) -> EndpointPhase:
        if self.closed_at is not None:
            return EndpointPhase.ENDED if self.has_ended else EndpointPhase.PAUSED
        return EndpointPhase.ACTIVE if self.failing_since is None else EndpointPhase.FAILING

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def succeeded(self) -> Endpoint:
        return Endpoint(self.url_digest)

    def failed(self, now: int, why: str) -> Endpoint:
        """Return the state after one more failure. Only the first of a row changes it, and the one
        that pauses it."""
        since = now if self.failing_since is None else self.failing_since
        if self.is_open and now - since >= PAUSE_AFTER_MS:
            return replace(self, failing_since=since, closed_at=now, why=why)
        return (
            self if self.failing_since is not None else replace(self, failing_since=since, why=why)
        )

    def ended(self, now: int, why: str) -> Endpoint:
        if self.has_ended:
            return self
        return replace(self, closed_at=now, has_ended=True, why=why)


def note_of(receiver: str) -> str:
    """Return the name of the note in which the store keeps the state of a receiver."""
    return f"webhook:{receiver}"


def endpoint_of(url: str, note: str | None) -> Endpoint:
    """Return the state that a note holds; a new one if that is of another URL, or unreadable."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        known = msgspec.json.decode(note or "", type=Endpoint)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Endpoint(digest)
    return known if known.url_digest == digest else Endpoint(digest)


def endpoint_note(endpoint: Endpoint) -> str:
    return msgspec.json.encode(endpoint).decode()


class WebhookTestAnswer(Struct, frozen=True):
    """What became of the latest test of a receiver. `status` is 0 where no answer came."""

    id: str
    at: int
    status: int = 0
    why: str = ""
    took_ms: int = 0


def answer_note_of(receiver: str) -> str:
    return f"webhook test:{receiver}"

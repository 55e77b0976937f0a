"""The state of a webhook receiver: whether it takes events, has ended, or is paused.

The function `notify` keeps one state for each receiver, and writes a state only when it changes.
This module is pure.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.decoding import decode

PAUSE_AFTER_MS = 5 * 86_400_000
"""ms without a success after which a receiver is paused."""


class EndpointPhase(str, Enum):
    """Whether events are sent. `ENDED`: the receiver answered 410. `PAUSED`: it accepted nothing
    for too long. A successful test resumes both."""

    ACTIVE = "active"
    FAILING = "failing"
    PAUSED = "paused"
    ENDED = "ended"


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """The state of the receiver at this URL. Times are in ms."""

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
        """Return the state after one more failure. Of several failures in a row, only the first,
        and the one that pauses the receiver, change the state."""
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
    """Parse the state in a note. Return a new state if the note belongs to another URL or cannot be
    read."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        known = decode(note or "", Endpoint)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Endpoint(digest)
    return known if known.url_digest == digest else Endpoint(digest)


def endpoint_note(endpoint: Endpoint) -> str:
    return msgspec.json.encode(endpoint).decode()


class WebhookTestAnswer(Struct, frozen=True):
    """The result of a receiver's latest test. `status` is 0 without an answer."""

    id: str
    at: int
    status: int = 0
    why: str = ""
    took_ms: int = 0


def answer_note_of(receiver: str) -> str:
    return f"webhook test:{receiver}"

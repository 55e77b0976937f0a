"""The state of a webhook receiver: whether it takes events, fails, is paused or has ended.

The function `notify` keeps one state for each receiver, and writes a state only when it changes.
This module is pure.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.decoding import Undecodable, decode

PAUSE_AFTER_MS = 5 * 86_400_000
"""ms without a success after which a receiver is paused."""


class EndpointPhase(str, Enum):
    """Whether a webhook receiver takes events. `FAILING`: its last attempts failed; events are
    still sent. `PAUSED`: it has accepted nothing for five days. `ENDED`: it answered 410. A
    receiver that is paused or has ended gets no events until a test of it succeeds."""

    ACTIVE = "active"
    FAILING = "failing"
    PAUSED = "paused"
    ENDED = "ended"


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """The state of one webhook receiver. `url_digest` is a digest of its URL, because the state
    counts for this URL only. `failing_since`: when the first attempt after the last success failed.
    `closed_at`: when the receiver was paused or, if `has_ended`, when it ended; None if events are
    sent. `why`: the error of the first failed attempt or, if the receiver was paused or has ended,
    of the attempt at `closed_at`. Times are in ms."""

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
        """Return the state after a failed attempt at `now`. The first failure after a success is
        noted. If a later attempt fails five days after that or more, the receiver is paused.
        Failures in between leave the state unchanged."""
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
    """Return the state that is stored in `note`, for the receiver at `url`. If there is no note, or
    it cannot be read or belongs to another URL, return the state of a receiver that was never
    called."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        known = decode(note or "", Endpoint)
    except Undecodable:
        return Endpoint(digest)
    return known if known.url_digest == digest else Endpoint(digest)


def endpoint_note(endpoint: Endpoint) -> str:
    return msgspec.json.encode(endpoint).decode()


class WebhookTestAnswer(Struct, frozen=True):
    """The result of a receiver's latest test. `status` is the HTTP status of the answer; 0 if no
    answer came. `why` says why the test failed; "" if it succeeded."""

    id: str
    at: int
    status: int = 0
    why: str = ""
    took_ms: int = 0


def answer_note_of(receiver: str) -> str:
    return f"webhook test:{receiver}"

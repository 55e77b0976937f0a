"""Which stream, and what can be commanded about it: the API's own words."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Command(str, Enum):
    """The values are what goes over the wire (docs/platform/live.md §1.2)."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    CANCEL_DELAY = "cancel_delay"


class StreamKey(Struct, frozen=True, order=True):
    """`domain` is the main streaming domain, the one the API wants, never the ingest domain."""

    domain: str
    app: str
    stream: str

    def __str__(self) -> str:
        return f"{self.domain}/{self.app}/{self.stream}"

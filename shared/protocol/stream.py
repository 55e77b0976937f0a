"""The key of a stream and the commands about it, in the Live API's own words."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Command(str, Enum):
    """The commands. The values are sent as they are (docs/platform/live.md §1.2)."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    CANCEL_DELAY = "cancel_delay"


class StreamKey(Struct, frozen=True, order=True):
    """A stream. `domain` is the main streaming domain, as the API wants, not the ingest domain."""

    domain: str
    app: str
    stream: str

    def __str__(self) -> str:
        return f"{self.domain}/{self.app}/{self.stream}"

"""What the judge remembers of each stream, and the exception for a promise that was not kept."""

from __future__ import annotations

from dataclasses import dataclass, field


class Broken(Exception):
    """A promise was not kept. The text has its number in docs/reliability.md, "protocol" or
    "invariant", and what happened."""

    def __init__(self, promise: str, words: str) -> None:
        super().__init__(f"{promise}: {words}")
        self.promise = promise
        self.words = words


@dataclass(slots=True)
class Watch:
    """What is remembered of one stream for later judgements."""

    held: bool = False
    held_until: int | None = None
    held_live_since: int | None = None
    restarts: int = 0
    restarted: set[str] = field(default_factory=set)
    published: dict[int, int] = field(default_factory=dict)
    live_since: dict[str, int | None] = field(default_factory=dict)
    """By the flight of a start or restart that Live accepted: since when the stream was live."""
    accepted_live_since: int | None = None
    accepted_in: int = 0
    """The record's number of that session."""
    ours: bool = False
    adrift: bool = False
    """A fail-over, or a stop that Live refused, left a recording that the record does not
    explain."""
    misled: bool = False
    skewed: bool = False
    """The store's clock was wrong, so that the record's times cannot be compared with Live's."""
    emptied_live_since: int | None = None
    replayed: bool = False
    stop_claimed_at: int = 0
    troubled_at: int = 0
    """When a fault last struck that may delay what is due for this stream alone."""

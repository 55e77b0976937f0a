"""What a store raises."""

from __future__ import annotations

from shared.errors import LiveRecordError


class StoreUnavailable(LiveRecordError):
    pass


class NewerFormat(StoreUnavailable):
    """A record that a later release wrote in a format of its own: it is not touched."""

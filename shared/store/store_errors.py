"""What a store raises."""

from __future__ import annotations

from shared.errors import LiveRecordError


class StoreUnavailable(LiveRecordError):
    pass

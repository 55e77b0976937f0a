"""What a store raises."""

from __future__ import annotations

from shared.errors import LiveRecordError


class StoreUnavailable(LiveRecordError):
    """`problem` is the code under which GET /v1/health shows it: its words are in
    shared/inbound/catalogue, under `problems`. What has words of its own is a subclass."""

    problem = "store_unavailable"


class ForeignStore(StoreUnavailable):
    """It has the id of another stage: two stages would send commands for the same streams."""

    problem = "store_foreign"


class NewerFormat(StoreUnavailable):
    """A record that a later release wrote in a format of its own: it is not touched."""

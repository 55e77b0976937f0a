"""What a store raises."""

from __future__ import annotations

from shared.errors import LiveRecordError


class StoreUnavailable(LiveRecordError):
    """`problem` is the code under which people see it: its words are in shared/inbound/catalogue,
    under `problems`. What has words of its own is a subclass, or an answer of a Redis, which gives
    its code here (shared/store/engine_answers.py)."""

    problem = "store_unavailable"

    def __init__(self, text: str = "", problem: str = "") -> None:
        super().__init__(text)
        if problem:
            self.problem = problem


class ForeignStore(StoreUnavailable):
    """It has the id of another stage: two stages would send commands for the same streams."""

    problem = "store_foreign"


class NewerFormat(StoreUnavailable):
    """A record that a later release wrote in a format of its own: it is not touched."""

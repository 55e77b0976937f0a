"""The errors that a store raises."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import LiveRecordError
from shared.protocol.stream import StreamKey


class StoreUnavailable(LiveRecordError):
    """The store cannot be used. `problem` is the code under which people see the error. The
    sentence for a code is in shared/inbound/catalogue, under `problems`, and `about` has the values
    that this sentence needs. A code is that of a class of this module, or one of those in
    shared/store/engine_answers.py, which stand for answers of Redis."""

    problem = "store_unavailable"

    def __init__(
        self, text: str = "", problem: str = "", about: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.problem = problem or self.problem
        self.about = about or {}


class ForeignStore(StoreUnavailable):
    """The store has another stage's id. If it were used, both stages would send commands for the
    same streams."""

    problem = "store_foreign"


class StoreFull(StoreUnavailable):
    """The store has no room left. Nothing was stored."""

    problem = "store_full"


class Unreadable(LiveRecordError):
    """A record is stored that this release cannot read. It stays unchanged, unless a person's stop
    replaces it: `version` is the version to replace, `now` the store's time."""

    def __init__(self, key: StreamKey, reason: str, *, version: int = 0, now: int = 0) -> None:
        super().__init__(f"the record of {key} cannot be read: {reason}")
        self.key = key
        self.reason = reason
        self.version = version
        self.now = now

"""The times since which a store's clock has been steady, and since which the store has lost no
stream record.

The store returns a `Continuity` with every loaded record, and `decide` takes it. The module knows
no engine.
"""

from __future__ import annotations

from msgspec import Struct


class Continuity(Struct, frozen=True):
    """`steady_since`: the end of the latest gap of the store's clock; 0 if no gap is known.
    After a gap nobody can tell whether the clock jumped or nothing ran. `gap_from`: the last time
    known before the gap.

    `emptied_at`: when the store was first found without the id that the deploy had written; None if
    it has the id. Everything known before is lost, so a missing stream record proves nothing about
    a session that began earlier. `found_empty_at`: the same moment; it remains after a person has
    accepted the store, because the earlier commands to Live stay unknown.
    """

    steady_since: int = 0
    gap_from: int = 0
    emptied_at: int | None = None
    found_empty_at: int | None = None

    def may_miss_records(self, began: int) -> bool:
        """Return True if the store may have lost the stream record of a session that began at
        `began`."""
        return self.emptied_at is not None and began <= self.emptied_at


UNBROKEN = Continuity()

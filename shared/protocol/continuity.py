"""Since when a store's clock has been steady, and since when no record of it was lost.

The store returns it with every record that is loaded, and `decide` takes it. It knows no engine.
"""

from __future__ import annotations

from msgspec import Struct


class Continuity(Struct, frozen=True):
    """Since when the store's clock has run without a gap (`steady_since`; 0: as far as is known).
    After a gap nobody can tell whether the clock jumped or nobody ran. `gap_from` is when it began:
    the last time known before.

    `emptied_at` is when the store was found without what the deploy had put into it: whatever was
    known before is lost, so that a missing record proves nothing about a session that began before.
    """

    steady_since: int = 0
    gap_from: int = 0
    emptied_at: int | None = None

    def may_miss_records(self, began: int) -> bool:
        """Return True if a record of a session that began at `began` may have been lost."""
        return self.emptied_at is not None and began <= self.emptied_at


UNBROKEN = Continuity()

"""How far back a store can be relied on: since when its clock has been steady, and since when it
has lost no stream record.

The store returns a `Continuity` with every loaded record, and `decide` takes it.
"""

from __future__ import annotations

from msgspec import Struct


class Continuity(Struct, frozen=True):
    """How far back a store's clock and its stream records can be relied on. All fields are times in
    ms.

    `steady_since`: the end of the latest gap of the store's clock; 0 if no gap is known. In a gap,
    either the clock jumped or nothing ran; nobody can tell which. `gap_from`: the last time known
    before that gap.

    `emptied_at`: when the store was first found without the id that the deploy had written; None if
    it has the id. Everything stored before that time is lost. So a stream without a record may have
    a session that began before that time. `found_empty_at`: the same time. When a person accepts
    the store, `emptied_at` becomes None, but `found_empty_at` stays, because nobody knows which
    commands were sent to Live before that time.
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

"""The state of the store itself: its id, when a load or a worker last touched it, and how long its
clock has been steady.

Redis and SQLite each keep such a state. This module knows neither records nor engines.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.continuity import Continuity
from shared.store.contract import STEP_MS
from shared.store.store_errors import ForeignStore

GAP_MS = 90_000
"""ms between two touches after which the clock may have jumped; the timer touches the store every
minute."""
SEEN_EVERY_MS = 30_000
"""ms between two writes of the time of the last touch."""


class StoreState(Struct, frozen=True):
    """The state of a store. A load, or a worker's registration, touches the store. `seen` is the
    time of the last touch, or up to SEEN_EVERY_MS earlier. `steady_since` and `gap_from` are those
    of `Continuity`.

    `misplaced_after` tells how far due entries were repaired since the clock was set back, or since
    the first touch: "" at the beginning, None if all are in order.

    Only the deploy of a new stage, or a person who accepts the store, writes `store_id`.
    `emptied_at` is when the id was first found missing; it stays when the id is there again.
    """

    seen: int | None = None
    steady_since: int = 0
    gap_from: int = 0
    misplaced_after: str | None = None
    store_id: str | None = None
    emptied_at: int | None = None

    def touched(self, now: int) -> StoreState:
        """Return the state after a touch at `now`; the same object if nothing has to be stored."""
        passed = 0 if self.seen is None else now - self.seen
        if passed < -STEP_MS:
            return replace(self, seen=now, steady_since=now, gap_from=now, misplaced_after="")
        if passed > GAP_MS:
            return replace(self, seen=now, steady_since=now, gap_from=self.seen or now)
        return self if passed < SEEN_EVERY_MS else replace(self, seen=now)

    def touched_by_worker(self, now: int) -> StoreState:
        """Return the state after a worker's touch at `now`. Only a worker makes the first touch,
        because a load may belong to a request that is not authorized, which must leave no trace. At
        the first touch, the repair of due entries begins, because release 0.2 may have written
        records without the time at which they are forgotten. Any other touch is that of `touched`.
        """
        if self.seen is None:
            return replace(self, seen=now, misplaced_after="")
        return self.touched(now)

    def examined(self, expected: str, now: int) -> StoreState:
        """Return the state after a check of the store's id. If the id is missing for the first
        time, `emptied_at` becomes `now`; otherwise this is the same object. `expected` is this
        stage's id, "" if it was given none."""
        if not expected or self.store_id is not None or self.emptied_at is not None:
            return self
        return replace(self, emptied_at=now)

    def is_foreign(self, expected: str) -> bool:
        """Return True if the store has an id, and it is not `expected`, the id of this stage: two
        stages use one store."""
        return bool(expected) and self.store_id is not None and self.store_id != expected

    def continuity(self, expected: str, now: int) -> Continuity:
        """Return since when the store's clock has been steady, and whether the store has lost its
        data. Raise ForeignStore if the store has the id of another stage than `expected`."""
        if self.is_foreign(expected):
            raise ForeignStore(
                f"It belongs to {self.store_id}, and this stage to {expected}. Give each stage a"
                " store of its own, or a name in its URL: ?stage=NAME.",
                about={"theirs": self.store_id or "-", "ours": expected},
            )
        found_at = min(self.emptied_at, now) if expected and self.emptied_at is not None else None
        return Continuity(
            steady_since=min(self.steady_since, now),
            gap_from=min(self.gap_from, now),
            emptied_at=found_at if self.store_id is None else None,
            found_empty_at=found_at,
        )

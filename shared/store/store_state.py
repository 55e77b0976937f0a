"""What a store knows of itself: when it was last touched, and since when its clock is steady.

Both engines keep one of it. It knows no record and no engine.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.continuity import Continuity

GAP_MS = 90_000
"""ms between two touches after which the clock may have jumped; the timer touches once a minute."""
SEEN_EVERY_MS = 30_000
"""ms between two writes of the time of the last touch."""
STEP_MS = 1_000
"""ms by which the clock may go back without having been set back."""


class StoreState(Struct, frozen=True):
    """`seen` is the time of the last touch. `misplaced_after` says how far the due entries were put
    in order since the clock was set back: None if they are in order, "" from the beginning."""

    seen: int | None = None
    steady_since: int = 0
    misplaced_after: str | None = None

    def touched(self, now: int) -> StoreState:
        """Return the state after a touch at `now`; the same one if nothing has to be written."""
        passed = 0 if self.seen is None else now - self.seen
        if passed < -STEP_MS:
            return replace(self, seen=now, steady_since=now, misplaced_after="")
        if passed > GAP_MS:
            return replace(self, seen=now, steady_since=now)
        return self if passed < SEEN_EVERY_MS else replace(self, seen=now)

    def touched_by_worker(self, now: int) -> StoreState:
        """Return the same. The first touch is a worker's: a request that is not authorized loads a
        record too, and must leave nothing behind."""
        return replace(self, seen=now) if self.seen is None else self.touched(now)

    def continuity(self, now: int) -> Continuity:
        return Continuity(min(self.steady_since, now))

"""Counts the reconciles at work in all instances, and decides when to wake one more.

The dispatcher uses this module, and every invocation that leaves something due. It knows the
store's registry and timestamps, and nothing of streams or commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

ENOUGH_RECONCILES = 4
"""Reconciles at work at once; more would only slow each other down."""
ALIVE_MS = 2_000
"""A reconcile without heartbeats counts as at work for this long."""
WAKE_PAUSE_MS = 1_500
"""Pause between two wake-up calls of all instances together, because each may start an instance."""
HEARTBEAT_S = 1.0
BACKFILL_LEAST_MS = 1_000
"""Shortest pause between two reads of the online lists, for any reason."""
BACKFILL_AGAIN_MS = 10_000
"""Pause between two reads of the online lists while a burst is being sent."""


class WorkerRegistry(Protocol):
    def register(self, name: str, who: str, ms: int) -> int: ...
    def deregister(self, name: str, who: str) -> None: ...
    def may_wake_one(self, name: str, enough: int, ms: int) -> bool: ...


class Timestamps(Protocol):
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...


class WorkerLease:
    """The registration of one reconcile at work. Others see it as long as it is renewed."""

    def __init__(
        self,
        registry: WorkerRegistry,
        who: str,
        monotonic: Callable[[], float],
        *,
        heartbeat_s: float = HEARTBEAT_S,
        alive_ms: int = ALIVE_MS,
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self._registry = registry
        self._who = who
        self._monotonic = monotonic
        self._alive_ms = alive_ms
        self._last = float("-inf")

    def begin(self) -> int:
        """Register this reconcile, or renew its registration; return how many others are at
        work."""
        self._last = self._monotonic()
        return self._registry.register("reconcile", self._who, self._alive_ms)

    def heartbeat(self) -> None:
        """Renew the registration if the last renewal is one heartbeat interval old."""
        if self._monotonic() - self._last >= self.heartbeat_s:
            self.begin()

    def may_wake_one(self) -> bool:
        """Return True if the caller should wake a reconcile: too few are at work, and nobody has
        woken one within WAKE_PAUSE_MS. If it returns True, the store counts the wake-up call as
        made."""
        return self._registry.may_wake_one("reconcile", ENOUGH_RECONCILES, WAKE_PAUSE_MS)

    def end(self) -> None:
        self._registry.deregister("reconcile", self._who)


class BackfillTimer:
    """Decides when to read the online lists again because of a burst.

    When many streams come up at once, Function Compute may refuse callbacks for lack of instances.
    So the reconciles that send the commands of the burst also read the lists, again and again, and
    once more at the end of the burst. The store holds the times of the burst and of the last read,
    so another reconcile goes on if one is killed.
    """

    def __init__(self, timestamps: Timestamps) -> None:
        self._timestamps = timestamps

    def note_burst(self) -> None:
        self._timestamps.touch("burst")

    def note_resync(self) -> None:
        """Record that a read of the lists begins now. The read may miss a stream that comes up
        later."""
        self._timestamps.touch("resync")

    def may_run_again(self) -> bool:
        """Return True if the lists have not been read for BACKFILL_AGAIN_MS."""
        age_ms = self._timestamps.age_ms("resync")
        return age_ms is None or age_ms >= BACKFILL_AGAIN_MS

    def is_due(self) -> bool:
        """Return True if a burst was noted after the last read of the lists began, and that read
        began at least BACKFILL_LEAST_MS ago. Return True, too, if there was a burst but no read
        yet."""
        burst_ms, resync_ms = self._timestamps.age_ms("burst"), self._timestamps.age_ms("resync")
        if burst_ms is None or resync_ms is None:
            return burst_ms is not None
        return burst_ms < resync_ms and resync_ms >= BACKFILL_LEAST_MS

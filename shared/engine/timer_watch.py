"""Finds silent timers. Callbacks, requests and other timers call this module, because a function
whose timer is off does not run, and so cannot report that.

Each process checks now and then, and logs what it finds. An alert rule of the log store notifies
people (deploy/account.ros.yaml).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from shared.engine.step_marks import NOTIFY, RESYNC, began
from shared.protocol.durations import TIMER_SILENT_MS
from shared.store.store_errors import StoreUnavailable

LOOK_EVERY_MS = 60_000
"""ms between two checks of one process, and before its first: a cold start is slow enough
already."""
TIMERS: Final[Mapping[str, str]] = {"reconcile": began(RESYNC), "notify": began(NOTIFY)}


class Ages(Protocol):
    def ages(self) -> Mapping[str, int]: ...


class TimerWatch:
    """Checks the timers at most once a minute; each process has one."""

    def __init__(self, store: Ages, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._next_at = clock() + LOOK_EVERY_MS

    def silent(self) -> Mapping[str, int]:
        """Return each function whose timer has been silent for more than TIMER_SILENT_MS, with the
        ms since its last run. Return nothing if this process has checked within a minute, or if the
        store does not answer. A function that has never run is left out."""
        now = self._clock()
        if now < self._next_at <= now + LOOK_EVERY_MS:
            return {}
        self._next_at = now + LOOK_EVERY_MS
        try:
            ages = self._store.ages()
        except StoreUnavailable:  # code that needs the store reports the error
            return {}
        found = {function: ages.get(name, 0) for function, name in TIMERS.items()}
        return {function: ms for function, ms in found.items() if ms > TIMER_SILENT_MS}

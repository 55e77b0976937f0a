"""Reports a timer that is silent, by whoever still runs: callbacks, requests and the other timers.

A function with a timer that is off cannot say so itself. Each process looks now and then, and logs
what it finds; a rule of the log store tells people (deploy/account.ros.yaml).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from shared.engine.step_marks import NOTIFY, RESYNC, began
from shared.protocol.durations import TIMER_SILENT_MS
from shared.store.store_errors import StoreUnavailable

LOOK_EVERY_MS = 60_000
"""ms between two looks of one process, and from its start to the first: a cold start costs enough.
"""
TIMERS: Final[Mapping[str, str]] = {"reconcile": began(RESYNC), "notify": began(NOTIFY)}


class Ages(Protocol):
    def ages(self) -> Mapping[str, int]: ...


class TimerWatch:
    """One process's own."""

    def __init__(self, store: Ages, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._next_at = clock() + LOOK_EVERY_MS

    def silent(self) -> Mapping[str, int]:
        """Return each function whose timer is silent and for how many ms it has not run; none if
        this process has looked within a minute. A function that never ran is none of a stage that
        has it."""
        now = self._clock()
        if now < self._next_at <= now + LOOK_EVERY_MS:
            return {}
        self._next_at = now + LOOK_EVERY_MS
        try:
            ages = self._store.ages()
        except StoreUnavailable:  # what needs the store says so
            return {}
        found = {function: ages.get(name, 0) for function, name in TIMERS.items()}
        return {function: ms for function, ms in found.items() if ms > TIMER_SILENT_MS}

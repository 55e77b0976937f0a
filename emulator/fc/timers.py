"""The timer triggers, on the development clock (docs/platform/function-compute.md §3, Timer).

run.py ticks it; the control plane fires single timers.
It submits events and never waits for a function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from emulator.fc.asynchronous import AsyncCalls
from emulator.fc.clock import Clock
from emulator.fc.deployment import Function, Timer
from emulator.fc.event import timer_event
from emulator.fc.request_id import new_request_id

_JITTER = timedelta(seconds=1)


@dataclass(frozen=True)
class FiredTimer:
    trigger: str
    request_id: str
    done: asyncio.Task[bool]


class Timers:
    def __init__(self, functions: Iterable[Function], clock: Clock, calls: AsyncCalls) -> None:
        self._clock = clock
        self._calls = calls
        self._timers = [(function, timer) for function in functions for timer in function.timers]
        self._last_tick = clock.now()
        self._due = [timer.schedule.after(self._last_tick) for _, timer in self._timers]

    def tick(self) -> None:
        """Fire each due timer once, however far the clock was moved.

        If the clock was set back, compute every timer's next time again.
        """
        now = self._clock.now()
        set_back = now < self._last_tick - _JITTER
        self._last_tick = now
        for i, (function, timer) in enumerate(self._timers):
            if now >= self._due[i]:
                self._fire(function, timer, now)
            elif not set_back:
                continue
            self._due[i] = timer.schedule.after(now)

    def fire(self, function: Function, trigger: str | None) -> list[FiredTimer]:
        now = self._clock.now()
        chosen = [timer for timer in function.timers if trigger in (None, timer.name)]
        return [self._fire(function, timer, now) for timer in chosen]

    def _fire(self, function: Function, timer: Timer, now: datetime) -> FiredTimer:
        request_id = new_request_id()
        event = timer_event(timer.name, timer.payload, now)
        return FiredTimer(timer.name, request_id, self._calls.submit(function, event, request_id))

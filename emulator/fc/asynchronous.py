"""Asynchronous invocations and their retries (docs/platform/function-compute.md §3, Async
invocation).

server.py submits HTTP calls to it, timers.py submits timer events.
It stores nothing: what is pending when the emulator ends is lost.
"""

from __future__ import annotations

import asyncio

from emulator.fc.compute import Compute
from emulator.fc.deployment import Function
from emulator.fc.fleet import Throttled

_MAX_RETRY_WAIT_S = 3600.0


class AsyncCalls:
    def __init__(self, compute: Compute, retry_seconds: float) -> None:
        self._compute = compute
        self._retry_seconds = retry_seconds
        self._under_way: dict[asyncio.Task[bool], str] = {}

    def submit(self, function: Function, event: bytes, request_id: str) -> asyncio.Task[bool]:
        """Start the invocation; the task's result is True if the function returned in the end."""
        task = asyncio.create_task(self._deliver(function, event, request_id))
        self._under_way[task] = function.key
        task.add_done_callback(self._under_way.pop)
        return task

    def pending(self, key: str) -> int:
        return list(self._under_way.values()).count(key)

    async def close(self) -> None:
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, function: Function, event: bytes, request_id: str) -> bool:
        """Invoke until the function returns, its retries are used up or the event is too old.

        An error uses up a retry; throttling uses up time only.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + function.async_max_age
        failures, wait = 0, self._retry_seconds
        while True:
            try:
                outcome = await self._compute.invoke(function, event, request_id, failures)
                failures += 1
            except Throttled:
                outcome = None
            if outcome is not None and not outcome.error_type:
                return True
            if failures > function.async_retries or now() + wait > deadline:
                return False
            await asyncio.sleep(wait)
            wait = min(wait * 2, _MAX_RETRY_WAIT_S)

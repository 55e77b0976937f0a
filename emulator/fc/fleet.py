"""All instances of the account and the quotas that limit them (docs/platform/function-compute.md
§5).

compute.py acquires and releases instances; run.py recycles the idle ones.
It must not know events, payloads or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from emulator.fc.deployment import Function
from emulator.fc.process import Gone, Instance, Log, TimedOut
from emulator.fc.request_id import new_request_id
from emulator.fc.settings import Settings


class Throttled(Exception):
    """No instance is free: the account's quota or the function's reservation is used up."""


@dataclass
class Instances:
    """The instances of one function; `starting` counts those without a process yet."""

    idle: list[Instance] = field(default_factory=list)
    busy: set[Instance] = field(default_factory=set)
    starting: int = 0
    cold_starts: int = 0
    throttled: int = 0

    def __len__(self) -> int:
        return len(self.idle) + self.working

    @property
    def working(self) -> int:
        return len(self.busy) + self.starting


class Fleet:
    def __init__(self, functions: list[Function], settings: Settings, log: Log) -> None:
        self.by_function = {function.key: Instances() for function in functions}
        self.quota = settings.quota
        self._settings = settings
        self._log = log
        self._all: set[Instance] = set()
        self._stopping: set[asyncio.Task[None]] = set()

    async def acquire(self, function: Function) -> Instance:
        instances = self.by_function[function.key]
        while instances.idle:
            instance = instances.idle.pop()
            if instance.alive:
                instances.busy.add(instance)
                return instance
        self._make_room(function, instances)
        return await self._start(function, instances)

    def release(self, instance: Instance) -> None:
        instances = self.by_function[instance.function.key]
        instances.busy.discard(instance)
        if instance.alive:
            instance.idle_since = asyncio.get_running_loop().time()
            instances.idle.append(instance)
            if self._settings.freezes:
                instance.freeze()

    def discard(self, instance: Instance) -> None:
        """Take the instance out of use, whether or not its process has exited."""
        instances = self.by_function[instance.function.key]
        instances.busy.discard(instance)
        if instance in instances.idle:
            instances.idle.remove(instance)

    def recycle_idle(self) -> None:
        oldest = asyncio.get_running_loop().time() - self._settings.idle_seconds
        for instance in [i for i in self._idle() if i.idle_since < oldest]:
            self._recycle(instance)

    async def close(self) -> None:
        for instance in self._all:
            instance.stop()
            instance.kill()
        await asyncio.gather(*(instance.exited() for instance in self._all))
        await asyncio.gather(*self._stopping)

    def _idle(self) -> Iterator[Instance]:
        return (instance for instances in self.by_function.values() for instance in instances.idle)

    def _make_room(self, function: Function, instances: Instances) -> None:
        working = sum(each.working for each in self.by_function.values())
        reserved = function.reserved
        full = working >= self.quota
        if full or (reserved is not None and instances.working >= reserved):
            instances.throttled += 1
            raise Throttled
        if sum(map(len, self.by_function.values())) >= self.quota:
            self._recycle(min(self._idle(), key=lambda instance: instance.idle_since))

    async def _start(self, function: Function, instances: Instances) -> Instance:
        instance = Instance(function, self._log, self._on_gone)
        instances.cold_starts += 1
        instances.starting += 1
        self._all.add(instance)
        try:
            await instance.start(self._settings)
        except BaseException:
            instance.kill()
            self._on_gone(instance)
            raise
        finally:
            instances.starting -= 1
        instances.busy.add(instance)
        return instance

    def _recycle(self, instance: Instance) -> None:
        self.discard(instance)
        self._run_in_background(self._stop(instance))

    async def _stop(self, instance: Instance) -> None:
        """Run the preStop hook, then stop the instance (docs/platform/function-compute.md §1.3)."""
        hook = instance.function.pre_stop
        if hook is not None:
            with suppress(Gone, TimedOut):
                await instance.run_hook(hook.handler, hook.timeout, new_request_id())
        instance.stop()

    def _on_gone(self, instance: Instance) -> None:
        self.discard(instance)
        instance.stop()
        self._run_in_background(self._reap(instance))

    def _run_in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _reap(self, instance: Instance) -> None:
        await instance.exited()
        self._all.discard(instance)

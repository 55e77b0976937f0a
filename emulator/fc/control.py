"""The control plane, which the real service does not have: state, logs, kill, timer.

server.py routes every path under /_fc/ to it, except /_fc/http/. The tests, the benchmarks and the
command line call this module. It must not invoke a function itself; it fires timers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from emulator.fc.answer import Answer, json_answer
from emulator.fc.asynchronous import AsyncCalls
from emulator.fc.clock import Clock
from emulator.fc.compute import Compute
from emulator.fc.deployment import Function
from emulator.fc.event import rfc3339
from emulator.fc.logbook import Logbook
from emulator.fc.process import Instance
from emulator.fc.timers import FiredTimer, Timers

_DEFAULT_LINES = 100
_ENDPOINTS = (
    "GET /_fc/state, GET /_fc/logs?n=&function=, POST /_fc/kill, POST /_fc/timer/{function}"
    " and /_fc/http/{function}/..."
)


class ControlError(Exception):
    def __init__(self, status: HTTPStatus, *faults: str) -> None:
        super().__init__(*faults)
        self.status = status
        self.faults = faults


class Control:
    def __init__(
        self,
        compute: Compute,
        calls: AsyncCalls,
        timers: Timers,
        logbook: Logbook,
        clock: Clock,
    ) -> None:
        self._compute = compute
        self._calls = calls
        self._timers = timers
        self._logbook = logbook
        self._clock = clock

    async def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        """Answer a request; `path` begins after /_fc/."""
        try:
            return await self._route(method, path, query, body)
        except ControlError as error:
            return json_answer(error.status, {"faults": error.faults})

    async def _route(self, method: str, path: str, query: str, body: bytes) -> Answer:
        name, _, rest = path.partition("/")
        match method, name, bool(rest):
            case "GET", "state", False:
                return json_answer(HTTPStatus.OK, self._state())
            case "GET", "logs", False:
                return json_answer(HTTPStatus.OK, {"lines": self._logs(query)})
            case "POST", "kill", False:
                return await self._kill(body)
            case "POST", "timer", True:
                return await self._timer(rest, body)
            case _:
                unknown = f"there is no {method} /_fc/{path}, only {_ENDPOINTS}"
                raise ControlError(HTTPStatus.NOT_FOUND, unknown)

    def _state(self) -> dict[str, object]:
        of = self._compute.fleet.by_function
        functions = self._compute.deployment.functions
        return {
            "time": rfc3339(self._clock.now()),
            "quota": self._compute.fleet.quota,
            "instances": sum(map(len, of.values())),
            "functions": {key: self._function_state(functions[key]) for key in functions},
        }

    def _function_state(self, function: Function) -> dict[str, object]:
        instances = self._compute.fleet.by_function[function.key]
        counts = self._compute.counts[function.key]
        every = [*instances.busy, *instances.idle]
        return {
            "functionName": function.name,
            "invocations": counts.invocations,
            "errors": counts.errors,
            "coldStarts": instances.cold_starts,
            "throttled": instances.throttled,
            "asyncPending": self._calls.pending(function.key),
            "starting": instances.starting,
            "instances": [
                {"id": i.id, "pid": i.pid, "busy": i in instances.busy} for i in every
            ],
        }  # fmt: skip

    def _logs(self, query: str) -> list[dict[str, str]]:
        fields = {name: values[-1] for name, values in parse_qs(query).items()}
        faults = _unknown_field_faults(fields, ("n", "function"))
        n = fields.get("n", str(_DEFAULT_LINES))
        if not n.isascii() or not n.isdigit():
            faults.append(f"n is not a number: {n!r}")
        name = fields.get("function")
        function = self._compute.deployment.function(name) if name else None
        if name and function is None:
            faults.append(self._no_function(name))
        if faults:
            raise ControlError(HTTPStatus.BAD_REQUEST, *faults)
        return self._logbook.last(int(n), function.key if function else None)

    async def _kill(self, body: bytes) -> Answer:
        fields = _fields(body)
        faults = _unknown_field_faults(fields, ("function", "which"))
        name, which = fields.get("function"), fields.get("which", "any")
        function = self._compute.deployment.function(name) if isinstance(name, str) else None
        if function is None:
            faults.append(self._no_function(name))
        if not isinstance(which, str):
            faults.append(f"which is not any, busy, idle, all or an instance's id: {which!r}")
        if faults or function is None:
            raise ControlError(HTTPStatus.BAD_REQUEST, *faults)
        killed = self._choose_instances(function, which)
        for instance in killed:
            instance.kill()
        await asyncio.gather(*(instance.exited() for instance in killed))
        return json_answer(HTTPStatus.OK, {"killed": [instance.id for instance in killed]})

    def _choose_instances(self, function: Function, which: str) -> list[Instance]:
        instances = self._compute.fleet.by_function[function.key]
        busy, idle = list(instances.busy), list(instances.idle)
        by_word = {"any": (busy + idle)[:1], "busy": busy[:1], "idle": idle[:1], "all": busy + idle}
        return by_word.get(which, [i for i in busy + idle if i.id == which])

    async def _timer(self, name: str, body: bytes) -> Answer:
        fields = _fields(body)
        faults = _unknown_field_faults(fields, ("trigger", "wait"))
        trigger, wait = fields.get("trigger"), fields.get("wait", False)
        function = self._compute.deployment.function(name)
        if not isinstance(wait, bool):
            faults.append(f"wait is neither true nor false: {wait!r}")
        faults += self._timer_faults(function, name, trigger)
        if faults or function is None:
            raise ControlError(HTTPStatus.BAD_REQUEST, *faults)
        return await _fired_answer(self._timers.fire(function, trigger), wait=wait)

    def _timer_faults(self, function: Function | None, name: str, trigger: object) -> list[str]:
        if function is None:
            return [self._no_function(name)]
        names = [timer.name for timer in function.timers]
        if trigger is not None and trigger not in names:
            return [f"{name} has no timer {trigger!r}, only {', '.join(names) or 'none'}"]
        return [] if names else [f"{name} has no timer"]

    def _no_function(self, name: object) -> str:
        return (
            f"there is no function {name!r}, only {', '.join(self._compute.deployment.functions)}"
        )


async def _fired_answer(fired: list[FiredTimer], *, wait: bool) -> Answer:
    listed: list[dict[str, object]] = [
        {"trigger": each.trigger, "requestId": each.request_id} for each in fired
    ]
    if not wait:
        return json_answer(HTTPStatus.ACCEPTED, {"fired": listed})
    for entry, each in zip(listed, fired, strict=True):
        entry["ok"] = await each.done
    return json_answer(HTTPStatus.OK, {"fired": listed})


def _fields(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise ControlError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ControlError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return fields


def _unknown_field_faults(fields: Mapping[str, object], known: tuple[str, ...]) -> list[str]:
    return [f"{name} is none of {', '.join(known)}" for name in fields if name not in known]

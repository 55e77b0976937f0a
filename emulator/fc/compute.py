"""One invocation from start to outcome: instance, initializer, handler.

server.py and asynchronous.py call this module. It must not know HTTP; it returns payloads and error
types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from emulator.fc.deployment import Deployment, Function
from emulator.fc.fleet import Fleet
from emulator.fc.process import Gone, Instance, Log, Reply, TimedOut
from emulator.fc.settings import Settings

_UNHANDLED = "UnhandledInvocationError"
_INITIALIZATION = "InitializationError"


@dataclass(frozen=True)
class Outcome:
    """The result of one invocation.

    `error_type` is the value of X-Fc-Error-Type, empty if the handler returned.
    """

    payload: bytes
    error_type: str = ""


@dataclass
class Counts:
    invocations: int = 0
    errors: int = 0


class Compute:
    def __init__(self, deployment: Deployment, settings: Settings, log: Log) -> None:
        self.deployment = deployment
        self.fleet = Fleet(list(deployment.functions.values()), settings, log)
        self.counts = {key: Counts() for key in deployment.functions}
        self._log = log

    async def invoke(
        self, function: Function, event: bytes, request_id: str, retry_count: int = 0
    ) -> Outcome:
        """Invoke the function; raise Throttled if no instance is free.

        An error within the function is returned as an Outcome.
        """
        counts = self.counts[function.key]
        try:
            instance = await self.fleet.acquire(function)
        except (Gone, TimedOut):
            outcome = self._fault(function, request_id, "Function instance could not be started")
        else:
            outcome = await self._run(instance, event, request_id, retry_count)
        counts.invocations += 1
        counts.errors += bool(outcome.error_type)
        return outcome

    async def _run(
        self, instance: Instance, event: bytes, request_id: str, retry_count: int
    ) -> Outcome:
        function = instance.function
        try:
            failure = await self._initialize(instance, request_id)
            if failure is not None:
                return Outcome(failure.payload, _INITIALIZATION)
            reply = await instance.invoke(event, request_id, retry_count)
        except TimedOut:
            instance.time_out()
            self.fleet.discard(instance)
            late = f"Function time out after {function.timeout} seconds"
            return self._fault(function, request_id, late)
        except Gone:
            self.fleet.discard(instance)
            exited = "Process exited unexpectedly before completing request"
            return self._fault(function, request_id, exited)
        self.fleet.release(instance)
        return Outcome(reply.payload, _UNHANDLED if reply.failed else "")

    async def _initialize(self, instance: Instance, request_id: str) -> Reply | None:
        """Run the initializer, once per instance; return its reply if it failed.

        After a failure the next call gets a new instance (docs/platform/function-compute.md §1.3).
        """
        hook = instance.function.initializer
        if instance.initialized or hook is None:
            return None
        reply = await instance.run_hook(hook.handler, hook.timeout, request_id)
        instance.initialized = not reply.failed
        if not reply.failed:
            return None
        self.fleet.discard(instance)
        instance.stop()
        return reply

    def _fault(self, function: Function, request_id: str, message: str) -> Outcome:
        self._log(function.key, f"{message} RequestId: {request_id}")
        return Outcome(json.dumps({"errorMessage": message}).encode(), _UNHANDLED)

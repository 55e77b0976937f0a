"""The emulator's start and end: awaited, in a thread, or as a program.

__main__.py calls `run`, tests use FcInThread; both end in `serve`.
It only wires the parts together and must not know how a request is handled.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from emulator.fc.asynchronous import AsyncCalls
from emulator.fc.clock import Clock
from emulator.fc.compute import Compute
from emulator.fc.control import Control
from emulator.fc.deployment import load_deployment
from emulator.fc.logbook import Logbook, to_stderr
from emulator.fc.process import Log
from emulator.fc.server import Server
from emulator.fc.settings import Settings
from emulator.fc.template import BadTemplate
from emulator.fc.timers import Timers
from emulator.shutdown import shutdown_event

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

HOST = "127.0.0.1"
DEFAULT_PORT = 9000
_TICK_S = 0.2
_MAX_LINE_BYTES = 64 * 1024
_SHUTDOWN_TIMEOUT_S = 0.5


class Running:
    """A running emulator, made by `serve`; `address` has no slash at its end."""

    def __init__(self, compute: Compute, calls: AsyncCalls, runner: web.ServerRunner) -> None:
        host, port, *_ = runner.addresses[0]
        self.address = f"http://{host}:{port}"
        self.deployment = compute.deployment
        self._compute = compute
        self._calls = calls
        self._runner = runner
        self._ticking: asyncio.Task[None] | None = None

    def tick(self, clock: Clock, timers: Timers) -> None:
        self._ticking = asyncio.create_task(self._tick(clock, timers))

    async def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self._calls.close()
        await self._runner.cleanup()
        await self._compute.fleet.close()

    async def _tick(self, clock: Clock, timers: Timers) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            clock.refresh()
            timers.tick()
            self._compute.fleet.recycle_idle()


async def serve(
    s_yaml: Path,
    *,
    env: Mapping[str, str],
    port: int = DEFAULT_PORT,
    settings: Settings | None = None,
    log: Log = to_stderr,
) -> Running:
    """Start the emulator; `env` answers ${env()} in s.yaml.

    Raise BadTemplate or OSError if it cannot start.
    """
    settings = settings or Settings()
    deployment = load_deployment(s_yaml, env)
    clock, logbook = Clock(settings.clock_file), Logbook(log)
    compute = Compute(deployment, settings, logbook.write)
    calls = AsyncCalls(compute, settings.retry_seconds)
    timers = Timers(deployment.functions.values(), clock, calls)
    control = Control(compute, calls, timers, logbook, clock)
    server = Server(compute, calls, control, clock, settings)
    running = Running(compute, calls, await _listen(server, port))
    running.tick(clock, timers)
    return running


async def _listen(server: Server, port: int) -> web.ServerRunner:
    """Start the HTTP server.

    aiohttp's limits lie above those of Function Compute, so that ours apply first.
    """
    http = web.Server(
        server.handle,
        access_log=None,
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
    )
    runner = web.ServerRunner(http, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except (OSError, OverflowError):
        await runner.cleanup()
        raise
    return runner


class FcInThread:
    """A context manager for tests; `address` is valid within it."""

    def __init__(
        self,
        s_yaml: Path,
        *,
        env: Mapping[str, str],
        port: int = 0,
        settings: Settings | None = None,
        log: Log = to_stderr,
    ) -> None:
        self._serve = partial(serve, s_yaml, env=env, port=port, settings=settings, log=log)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fc")
        self._running: Running | None = None

    @property
    def address(self) -> str:
        if self._running is None:
            raise RuntimeError("not running")
        return self._running.address

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            serving = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)
            self._running = serving.result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self._running is not None:
            asyncio.run_coroutine_threadsafe(self._running.close(), self._loop).result()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def run(
    s_yaml: Path,
    *,
    port: int,
    json_output: bool,
    env: Mapping[str, str],
    settings: Settings | None = None,
) -> int:
    """Serve until a shutdown signal; return the exit code."""
    settings = settings or Settings()
    serving = partial(serve, s_yaml, env=env, port=port, settings=settings)
    ends = settings.until_input_ends
    try:
        asyncio.run(_serve_until_shutdown(serving, json_output=json_output, with_input=ends))
    except BadTemplate as error:
        sys.stderr.write("\n  ".join([f"{s_yaml} cannot be served:", *error.faults]) + "\n")
        return 1
    except (OSError, OverflowError) as error:
        sys.stderr.write(_cannot_listen(port, error) + "\n")
        return 1
    return 0


async def _serve_until_shutdown(
    serving: Callable[[], Awaitable[Running]], *, json_output: bool, with_input: bool
) -> None:
    shutdown = shutdown_event(with_input=with_input)
    running = await serving()
    try:
        _announce(running, json_output=json_output)
        await shutdown.wait()
    finally:
        await running.close()


def _announce(running: Running, *, json_output: bool) -> None:
    with suppress(BrokenPipeError):
        if json_output:
            print(json.dumps({"address": running.address}), flush=True)
            return
        print(f"Function Compute at {running.address}", flush=True)
        for route in running.deployment.routes:
            print(f"  {route.path} -> {route.function}", flush=True)


def _cannot_listen(port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use; choose another with --port, or end what listens there."
    return f"Function Compute cannot listen on port {port}: {error}"

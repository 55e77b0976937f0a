"""The emulator on a loopback port: its addresses, routes, start and end.

__main__.py calls `run`, tests reach `serve` through LiveInThread.
It must not decide any answer; api.py and control.py do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import web

from emulator.live.account import Account, load_account
from emulator.live.api import Answer, answer
from emulator.live.backend import Live
from emulator.live.clock import Clock
from emulator.live.control import Control
from emulator.live.fields import Unfit
from emulator.live.object_server import ObjectServer
from emulator.live.objects import Objects
from emulator.live.oss import Buckets
from emulator.live.publishers import Publishers
from emulator.live.signatures import Wire
from emulator.media.ingest import PORT as RTMP_PORT
from emulator.media.ingest import Timeouts
from emulator.media.port import Port
from emulator.same_machine import refusal_of
from emulator.shutdown import shutdown_event

HOST, PORT = "127.0.0.1", 9001
BUCKETS = Path(".live-record/buckets")
FORM = "application/x-www-form-urlencoded"
NO_LINGER = struct.pack("ii", 1, 0)
SHUTDOWN_TIMEOUT_S = 0.2
SLOW_S = 1.0
PAGE_502 = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Addresses and folders of the emulator; port 0 takes a free one.

    Without `rtmp_port` nobody can push. Without `buckets` no file is written.
    """

    host: str = HOST
    port: int = PORT
    rtmp_port: int | None = None
    buckets: Path | None = None


DEFAULT_OPTIONS = ListenOptions()


def listening(port: int, rtmp_port: int | None, buckets: Path) -> ListenOptions:
    """Return the options. Without `rtmp_port`, RTMP gets its default port if the API has its
    default port, else a free one."""
    usual = RTMP_PORT if port == PORT else 0
    return ListenOptions(
        port=port, rtmp_port=usual if rtmp_port is None else rtmp_port, buckets=buckets
    )


class Running:
    """A running emulator; it listens at `address` until closed."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.address = ""
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._timeline: asyncio.Task[None] | None = None
        self.rtmp = ""
        self._publishers = Publishers(live)
        idle_s = live.account.ingest.idle_ms / 1000
        self._ingest = Port(self._publishers, Timeouts(idle_s, idle_s))

    async def open(self, options: ListenOptions) -> None:
        await self.live.courier.open()
        self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, options.host, options.port, backlog=1024).start()
        name, bound = self._runner.addresses[0][:2]
        self.address = f"http://{name}:{bound}"
        self._timeline = asyncio.create_task(self.live.timeline.run())
        if options.rtmp_port is not None:
            self.rtmp = await self._ingest.open(options.host, options.rtmp_port)

    async def close(self) -> None:
        self._closing.set()
        self._ingest.close()
        self.live.close_recordings()
        if self._timeline is not None:
            self._timeline.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timeline
        await self.live.forget_callbacks()
        await self.live.courier.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[_errors_as_json, _of_this_machine])
        application.router.add_get("/", self._serve_api)
        application.router.add_post("/", self._serve_api)
        Control(self.live, self._publishers).add_routes(application)
        Buckets(self.live).add_routes(application)
        ObjectServer(self.live).add_routes(application)
        return application

    async def _serve_api(self, request: web.Request) -> web.StreamResponse:
        api_answer = answer(self.live, await _wire(request))
        match api_answer.transport:
            case "hang" | "hang_after_acting":
                await self._closing.wait()
                return web.Response(status=504)
            case "reset" | "reset_after_acting":
                return _reset(request)
            case "reset_mid_body":
                return await _break_off(request, api_answer)
            case "slow":
                await asyncio.sleep(SLOW_S)
                return _reply(api_answer, self.live.skew_ms)
            case "redirect":
                return web.Response(status=302, headers={"Location": request.path_qs})
            case _:
                return _reply(api_answer, self.live.skew_ms)


async def serve(
    account: Account, options: ListenOptions = DEFAULT_OPTIONS, *, clock_file: Path | None = None
) -> Running:
    objects = Objects(options.buckets) if options.buckets else None
    if objects is not None:
        objects.sweep()
    running = Running(Live(account, Clock(clock_file), objects))
    try:
        await running.open(options)
    except (OSError, OverflowError):
        await running.close()
        raise
    return running


def run(
    options: ListenOptions = DEFAULT_OPTIONS,
    *,
    json_output: bool = False,
    account_path: Path | None = None,
    clock_file: Path | None = None,
    with_input: bool = False,
) -> int:
    """Serve until a shutdown signal; return the exit code."""
    try:
        serving = partial(serve, load_account(account_path), options, clock_file=clock_file)
        asyncio.run(_serve_until_shutdown(serving, json_output=json_output, with_input=with_input))
    except Unfit as unfit:
        print(f"The account file cannot be used: {unfit}.", file=sys.stderr)
    except (OSError, OverflowError) as error:
        print(_cannot_listen(options, error), file=sys.stderr)
    else:
        return 0
    return 1


def _cannot_listen(options: ListenOptions, error: OSError | OverflowError) -> str:
    rtmp = "" if options.rtmp_port is None else f" or {options.rtmp_port} (RTMP)"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        others = "choose another with --port and --rtmp-port, or end what listens there"
        return f"Port {options.port}{rtmp} is in use; {others}."
    return f"ApsaraVideo Live cannot listen on port {options.port}{rtmp}: {error}."


async def _serve_until_shutdown(
    serving: Callable[[], Awaitable[Running]], *, json_output: bool, with_input: bool
) -> None:
    shutdown = shutdown_event(with_input=with_input)
    running = await serving()
    addresses = {"address": running.address, "rtmp": running.rtmp}
    print(
        json.dumps(addresses) if json_output else f"Live: {' '.join(addresses.values())}",
        flush=True,
    )
    await shutdown.wait()
    await running.close()


async def _wire(request: web.Request) -> Wire:
    path, _, query = request.raw_path.partition("?")
    body = await request.read()
    form = body.decode("utf-8", "replace") if request.content_type == FORM else ""
    return Wire(
        method=request.method,
        path=path,
        query=tuple(parse_qsl(query, keep_blank_values=True, errors="replace")),
        form=tuple(parse_qsl(form, keep_blank_values=True, errors="replace")),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        connection=request.transport.get_extra_info("peername")[1] if request.transport else 0,
    )


def _reply(api_answer: Answer, skew_ms: int = 0) -> web.Response:
    match api_answer.transport:
        case "html":
            return web.Response(status=502, text=PAGE_502, content_type="text/html")
        case "garbage_200":
            text = '{"RequestId": "half of an ans'
        case "empty_object":
            text = "{}"
        case _:
            text = json.dumps(api_answer.body)
    kind = {"Content-Type": "application/json;charset=utf-8"}
    headers = kind | {"x-acs-request-id": api_answer.request_id} | dict(api_answer.headers)
    headers["Date"] = format_datetime(_gateway_time(skew_ms), usegmt=True)
    return web.Response(status=api_answer.status, body=text.encode(), headers=headers)


def _gateway_time(skew_ms: int) -> datetime:
    return datetime.now(timezone.utc) + timedelta(milliseconds=skew_ms)


async def _break_off(request: web.Request, api_answer: Answer) -> web.StreamResponse:
    text = json.dumps(api_answer.body).encode()
    response = web.StreamResponse(headers={"Content-Length": str(len(text))})
    await response.prepare(request)
    await response.write(text[: len(text) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        request.transport.abort()
    return web.Response(status=500)


@web.middleware
async def _of_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    refusal = refusal_of(request.headers)
    if refusal:
        raise web.HTTPForbidden(reason=refusal)
    return await handler(request)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a bad request in JSON, with every fault."""
    try:
        return await handler(request)
    except Unfit as unfit:
        return web.json_response({"error": str(unfit), "faults": unfit.faults}, status=400)
    except web.HTTPException as error:
        message = f"{request.method} {request.path}: {error.reason}"
        return web.json_response({"error": message, "faults": [message]}, status=error.status)

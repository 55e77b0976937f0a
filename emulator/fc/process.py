"""One instance of a function: a process of its own, reached over a socket pair.

fleet.py starts and stops it; compute.py invokes it.
It must not know quotas or HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from emulator.fc.deployment import Function
from emulator.fc.settings import Settings

Log = Callable[[str, str], None]
_PROGRAM = str(Path(__file__).with_name("instance.py"))
_LENGTHS = struct.Struct(">II")
_KILL_GRACE_S = 0.5
_BOOT_TIMEOUT_S = 60
_MAX_LINE_BYTES = 32 * 1024


class Gone(Exception):
    """The process exited before it answered."""


class TimedOut(Exception):
    """The process did not answer in time."""


@dataclass(frozen=True)
class Reply:
    failed: bool
    payload: bytes


class Instance:
    """One instance: call `start` first, then `invoke`, one call at a time."""

    def __init__(self, function: Function, log: Log, on_gone: Callable[[Instance], None]) -> None:
        self.id = f"c-{os.urandom(4).hex()}-{os.urandom(6).hex()}"
        self.function = function
        self.initialized = function.initializer is None
        self.idle_since = 0.0
        self._gone = on_gone
        self._wire = _Wire(self._on_lost)
        self._child = _Child(function.key, log)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return not self._wire.closed.is_set()

    async def start(self, settings: Settings) -> None:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self._wire, sock=ours)
        with theirs:
            await self._spawn(theirs, settings)
        await self._wire.exchange(self._config(settings), b"", _BOOT_TIMEOUT_S)

    async def _spawn(self, theirs: socket.socket, settings: Settings) -> None:
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self._child,
            *(*_python(settings), "-W", "ignore", _PROGRAM, str(theirs.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=settings.working_directory or self.function.code,
            env=_environment(self.function, settings, self.id),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )

    def _config(self, settings: Settings) -> dict[str, object]:
        function = self.function
        name, memory = function.name, function.memory
        credentials = settings.credentials if function.role else None
        return {
            "code": str(function.code),
            "runtime": function.runtime,
            "region": function.region,
            "account_id": settings.account_id,
            "credentials": {
                "access_key_id": credentials.access_key_id if credentials else "",
                "access_key_secret": credentials.access_key_secret if credentials else "",
                "security_token": credentials.security_token if credentials else "",
            },
            "function": {"name": name, "handler": function.handler, "memory": memory,
                         "timeout": function.timeout},
        }  # fmt: skip

    async def invoke(self, event: bytes, request_id: str, retry_count: int) -> Reply:
        self.thaw()
        meta = _meta(self.function.handler, request_id, event=True, retry_count=retry_count)
        return await self._wire.exchange(meta, event, self.function.timeout)

    def freeze(self) -> None:
        """Let no thread of the process run until its next call
        (docs/platform/function-compute.md §5)."""
        self._child.kill(signal.SIGSTOP)

    def thaw(self) -> None:
        self._child.kill(signal.SIGCONT)

    async def run_hook(self, handler: str, timeout_s: float, request_id: str) -> Reply:
        self.thaw()
        return await self._wire.exchange(_meta(handler, request_id), b"", timeout_s)

    def stop(self) -> None:
        """Close the socket; when the process reads the end of the stream, it exits by itself."""
        self.thaw()
        self._wire.close()

    def time_out(self) -> None:
        """Send SIGTERM, on which the process logs its stacks, then kill it
        (docs/platform/function-compute.md §1.1)."""
        self._child.kill(signal.SIGTERM)
        asyncio.get_running_loop().call_later(_KILL_GRACE_S, self.kill)

    def kill(self) -> None:
        self._child.kill(signal.SIGKILL)

    async def exited(self) -> None:
        await self._child.exited.wait()
        await self._wire.closed.wait()

    def _on_lost(self) -> None:
        self._gone(self)


class _Wire(asyncio.Protocol):
    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.closed = asyncio.Event()
        self.closed.set()
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None

    async def exchange(self, meta: Mapping[str, object], payload: bytes, timeout_s: float) -> Reply:
        if self._transport is None or self._transport.is_closing():
            raise Gone
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        self._reply = reply
        head = json.dumps(meta).encode()
        self._transport.write(_LENGTHS.pack(len(head), len(payload)) + head + payload)
        timer = loop.call_later(timeout_s, self._fail, TimedOut())
        try:
            return await reply
        finally:
            timer.cancel()
            self._reply = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.closed.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < _LENGTHS.size:
            return
        meta, payload = _LENGTHS.unpack_from(self._buffer)
        if len(self._buffer) >= _LENGTHS.size + meta + payload:
            self._complete(_LENGTHS.size + meta)

    def _complete(self, start: int) -> None:
        meta: dict[str, Any] = json.loads(self._buffer[_LENGTHS.size : start])
        payload = bytes(self._buffer[start:])
        self._buffer.clear()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(Reply(meta["error"], payload))

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
        self._fail(Gone())
        self._on_lost()

    def _fail(self, error: Exception) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)


class _Child(asyncio.SubprocessProtocol):
    """The process itself. Its output becomes the function's log."""

    def __init__(self, name: str, log: Log) -> None:
        self.exited = asyncio.Event()
        self.exited.set()
        self.pid = 0
        self._name = name
        self._log = log
        self._rest = b""
        self._transport: asyncio.SubprocessTransport | None = None

    def kill(self, number: signal.Signals) -> None:
        """Send the signal, unless the process is known to have ended.

        The transport's own `send_signal` polls first, and so takes away the exit status of a
        process that has just ended: asyncio then knows no such child.
        """
        if self._transport is not None and self._transport.get_returncode() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()
        self.exited.clear()

    def pipe_data_received(self, _fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._log(self._name, line.decode("utf-8", "replace"))

    def process_exited(self) -> None:
        if self._rest:
            self._log(self._name, self._rest.decode("utf-8", "replace"))
        if self._transport is not None:
            self._transport.close()
        self.exited.set()


def _python(settings: Settings) -> tuple[str, ...]:
    return (settings.python, "-I", "-S") if settings.python else (sys.executable,)


def _meta(
    handler: str, request_id: str, *, event: bool = False, retry_count: int = 0
) -> dict[str, object]:
    return {
        "handler": handler,
        "request_id": request_id,
        "event": event,
        "retry_count": retry_count,
    }


def _environment(function: Function, settings: Settings, instance_id: str) -> dict[str, str]:
    """Return the declared variables, those that FC adds (docs/platform/function-compute.md §1.5),
    and FC_EMULATOR, by which a function knows that it may take development settings. Of this
    process's own variables, include only PATH."""
    version = "FC_FUNCTION_VERSION" if function.runtime == "python3.12" else "FC_VER_ID"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8:surrogateescape",
        **function.environment,
        "FC_EMULATOR": "1",
        "FC_FUNC_CODE_PATH": str(function.code),
        "FC_ACCOUNT_ID": settings.account_id,
        "FC_REGION": function.region,
        "FC_FUNCTION_NAME": function.name,
        "FC_FUNCTION_HANDLER": function.handler,
        "FC_FUNCTION_MEMORY_SIZE": str(function.memory),
        "FC_INSTANCE_ID": instance_id,
        version: "LATEST",
        **(_role_variables(settings) if function.role else {}),
    }


def _role_variables(settings: Settings) -> dict[str, str]:
    credentials = settings.credentials
    variables = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": credentials.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": credentials.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": credentials.security_token,
    }
    return {name: value for name, value in variables.items() if value}

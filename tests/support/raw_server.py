"""A server on a raw socket that answers by a script, in the right way or any wrong one."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from tests.support.loopback_server import LoopbackServer


@dataclass(frozen=True, slots=True)
class Step:
    """What the server does on one connection: it reads the request, or one byte of it unless
    `reads`; it sends the bytes `sends`; and it ends the connection as `then` says."""

    sends: bytes = b""
    then: Literal["close", "reset", "hang"] = "close"
    reads: bool = True


@dataclass(frozen=True, slots=True)
class SeenRequest:
    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


def http(
    status: int,
    body: str | bytes,
    *,
    content_type: str = "application/json;charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole HTTP response as bytes, which a test can cut short."""
    content = body.encode() if isinstance(body, str) else body
    fields = {
        "Content-Type": content_type,
        "Content-Length": str(len(content)),
        "Connection": "close",
        **(headers or {}),
    }
    head = f"HTTP/1.1 {status} {_reason(status)}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}{lines}\r\n".encode() + content


def json_reply(
    body: object, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> Step:
    return Step(http(status, json.dumps(body), headers=headers))


def html_reply(status: int) -> Step:
    return Step(http(status, f"<html><h1>{status}</h1></html>", content_type="text/html"))


def xml_reply(status: int, body: str) -> Step:
    return Step(http(status, body, content_type="text/xml;charset=utf-8"))


def redirect(status: int, location: str) -> Step:
    return Step(http(status, "{}", headers={"Location": location}))


GARBAGE = Step(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
CLOSED = Step()
RESET = Step(then="reset")
RESET_UNREAD = Step(then="reset", reads=False)
HANG = Step(then="hang")


class Wire(LoopbackServer):
    """Each connection takes the next step of the script; the last step serves all that follow."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self._lock = threading.Lock()
        self._steps: list[Step] = [CLOSED]
        self.seen: list[SeenRequest] = []
        self.connections = 0
        self.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def script(self, *steps: Step) -> None:
        with self._lock:
            self._steps, self.seen, self.connections = list(steps), [], 0

    def _serve(self, caller: socket.socket) -> None:
        step = self._next()
        with suppress(OSError), caller:
            stream = self._tls.wrap_socket(caller, server_side=True) if self._tls else None
            with stream or caller as talk:
                self._act(talk, step)

    def _act(self, talk: socket.socket, step: Step) -> None:
        if step.reads:
            self.seen.append(_request(talk))
        else:
            talk.recv(1)
        talk.sendall(step.sends)
        if step.then == "hang":
            self._closing.wait()
        if step.then == "reset":
            talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _next(self) -> Step:
        with self._lock:
            self.connections += 1
            return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]


def _request(talk: socket.socket) -> SeenRequest:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = talk.recv(65536)
        if not chunk:
            raise ConnectionError
        received += chunk
    first, *lines = received.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    fields = (line.partition(":") for line in lines)
    return SeenRequest(method, target, {name.lower(): value.strip() for name, _, value in fields})


def _reason(status: int) -> str:
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Unknown"

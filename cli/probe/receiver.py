"""A callback receiver for probe: it stores every callback and answers as an experiment needs.

cli.probe.observations uses this module. It must not print a callback, because callbacks hold
secrets.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NO_ANSWER_S = 6.0
"""Longer than Live waits for an answer (docs/platform/live.md §2)."""
OK = 200
NEED_RECORD_BODY = b'{"NeedRecord": false}'


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """A callback that the receiver got. `kind` is the last part of the path: stream, record,
    on-demand, exception or switch."""

    kind: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]

    @property
    def signature(self) -> str:
        return self.headers.get("ali-live-signature", "")

    @property
    def timestamp(self) -> str:
        return self.headers.get("ali-live-timestamp", "")

    @property
    def event(self) -> str:
        return str(self.fields.get("action") or self.fields.get("event") or "")


@dataclass(slots=True)
class Receiver:
    """Stores the callbacks that it receives. `url` is the address at which Live reaches it.

    `answers` holds the HTTP statuses of the next answers, by event, or by kind for callbacks
    without an event. The status 0 means that the callback is not answered. Without a status here,
    the answer is 200.
    """

    url: str
    callbacks: list[ReceivedCallback] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)

    def callbacks_of(self, kind: str, event: str = "") -> list[ReceivedCallback]:
        return [
            callback
            for callback in self.callbacks
            if callback.kind == kind and event in ("", callback.event)
        ]

    def clear(self) -> None:
        self.callbacks.clear()
        self.answers.clear()

    def receive(self, request: BaseHTTPRequestHandler) -> int:
        parts = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        kind = parts.path.rpartition("/")[2]
        callbacks = ReceivedCallback(kind, headers, _fields(parts.query, body))
        self.callbacks.append(callbacks)
        waiting = self.answers.get(callbacks.event or kind)
        return waiting.pop(0) if waiting else OK


def _fields(query: str, body: bytes) -> Mapping[str, Any]:
    try:
        body_fields = json.loads(body or b"{}")
    except ValueError:
        body_fields = {}
    return {**dict(parse_qsl(query)), **(body_fields if isinstance(body_fields, dict) else {})}


@contextmanager
def receiving(host: str, port: int, public_url: str) -> Iterator[Receiver]:
    """Yield a Receiver that listens on `host` and `port` until the block ends. Its URL is
    `public_url`, or if that is empty, the address on which it listens."""
    receiver = Receiver(public_url.rstrip("/"))
    server = ThreadingHTTPServer((host, port), _handler(receiver))
    server.daemon_threads = True
    receiver.url = receiver.url or f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = receiver.receive(self)
            if not status:
                time.sleep(NO_ANSWER_S)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(NEED_RECORD_BODY)))
            self.end_headers()
            self.wfile.write(NEED_RECORD_BODY)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
            """Print nothing: callbacks hold secrets."""

    return Handler

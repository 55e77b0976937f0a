"""An address that callbacks are delivered to, for tests: it keeps what arrived."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

PATIENCE_S = 120


class Arrived(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def event(self) -> str:
        return self.query.get("action") or self.body.get("event") or "file"

    @property
    def time(self) -> int:
        return int(self.headers["ali-live-timestamp"])


class Receiver:
    """Listens for callbacks. Answers each with the next of `statuses` and `body`; while
    `is_silent`, only at its own end."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.statuses: list[int] = []
        self.body = b"{}"
        self.is_silent = False
        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def events(self, stream: str = "room") -> list[str]:
        mine = [
            one for one in self.arrived if stream in (one.query.get("id"), one.body.get("stream"))
        ]
        return [one.event for one in mine]

    def take(self, count: int) -> list[Arrived]:
        poll(lambda: len(self.arrived) >= count)
        return self.arrived

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        length = int(request.headers.get("Content-Length", 0))
        self.arrived.append(
            Arrived(
                request.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in request.headers.items()},
                json.loads(request.rfile.read(length) or b"{}"),
            )
        )
        if self.is_silent:
            self.over.wait()
        request.send_response(self.statuses.pop(0) if self.statuses else 200)
        request.send_header("Content-Length", str(len(self.body)))
        with suppress(ConnectionError):  # whoever asked has waited long enough and is gone
            request.end_headers()
            request.wfile.write(self.body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.answer(self)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
                pass

        return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    there = Receiver()
    thread = threading.Thread(target=there.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield there
    finally:
        there.over.set()
        there.server.shutdown()
        thread.join()
        there.server.server_close()


def poll(is_there: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not is_there():
        assert time.monotonic() < limit
        time.sleep(0.005)

"""A receiver of webhooks that misbehaves on request: on a port of this machine, or as a program.

Tests and benchmarks start it; `python -m emulator.webhook_receiver` is the program. It verifies
each signature by itself, and shares no code with the sender.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, final

CONTROL = "/_control/"
TOLERANCE_S = 300
"""Seconds that a timestamp may be away from now, as the specification recommends."""
DRIP_S = 0.2
IDLE_S = 5.0
"""Seconds after which a connection that nothing comes from is closed."""
OK = "status:200"
ELSEWHERE = "http://127.0.0.1:9/elsewhere"


class Delivery(NamedTuple):
    """One received request: its time of arrival, in s, its path, headers and body, whether its
    signature is valid, and the sender's port."""

    at: float
    path: str
    headers: dict[str, str]
    body: str
    is_genuine: bool
    port: int = 0

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def payload(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@final
class WebhookReceiver:
    """Answers the requests for a path by the behaviours set with `behave`: `status:503`, `gone`
    (410), `redirect`, `sleep:2` (200 after 2 s), `drip` (a byte now and then), `close` (no answer).
    The last behaviour of a path stays in force; the default is 200. Unless `checks_time` is False,
    a timestamp must be near the real time."""

    def __init__(self, secret: str, port: int = 0, *, checks_time: bool = True) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._checks_time = checks_time
        self._orders: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        self.arrived: list[Delivery] = []
        self.over = threading.Event()
        self.server = _Server(port, self)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.over.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def behave(self, path: str, *behaviours: str) -> None:
        """Answer the next requests for a path by these behaviours in turn, and all later ones by
        the last."""
        with self._lock:
            self._orders[path] = list(behaviours)

    def of(self, path: str) -> list[Delivery]:
        """Return the requests received for a path, in order."""
        with self._lock:
            return [each for each in self.arrived if each.path == path]

    def take(self, delivery: Delivery) -> str:
        """Store the request, and return the behaviour with which to answer it."""
        with self._lock:
            self.arrived.append(delivery)
            orders = self._orders[delivery.path]
            return (orders.pop(0) if len(orders) > 1 else orders[0]) if orders else OK

    def is_genuine(self, headers: dict[str, str], body: bytes) -> bool:
        """Return True if one of the signatures is ours. Unless `checks_time` is False, the
        timestamp must also be at most TOLERANCE_S from now."""
        event_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not at.isdecimal() or (self._checks_time and abs(time.time() - int(at)) > TOLERANCE_S):
            return False
        digest = hmac.new(self._key, f"{event_id}.{at}.".encode() + body, hashlib.sha256).digest()
        ours = f"v1,{base64.b64encode(digest).decode()}"
        signatures = headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(ours, each) for each in signatures)

    def control(self, path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
        """Answer the control plane, which no real receiver has."""
        if path == f"{CONTROL}behave":
            order = json.loads(body)
            self.behave(order["path"], *order["do"])
            return {}
        return [
            {
                "path": each.path,
                "id": each.id,
                "type": each.payload.get("type"),
                "is_genuine": each.is_genuine,
                "at": each.at,
            }
            for each in list(self.arrived)
        ]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    timeout = IDLE_S
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        receiver = self.server.receiver
        with suppress(ConnectionError):  # whoever asked has waited long enough and is gone
            if self.path.startswith(CONTROL):
                self._answer(200, json.dumps(receiver.control(self.path, body)).encode())
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            genuine = receiver.is_genuine(headers, body)
            port = self.client_address[1]
            delivery = Delivery(time.time(), self.path, headers, body.decode(), genuine, port)
            name, _, value = receiver.take(delivery).partition(":")
            _BEHAVIOURS[name](self, value)

    do_GET = do_POST  # noqa: N815 - the library's name

    def close(self, _value: str) -> None:
        self.close_connection = True

    def redirect(self, _value: str) -> None:
        self._answer(302, b"", Location=ELSEWHERE)

    def gone(self, _value: str) -> None:
        self._answer(410)

    def sleep(self, seconds: str) -> None:
        self.server.receiver.over.wait(float(seconds))
        self._answer(200)

    def drip(self, _value: str) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.receiver.over.wait(DRIP_S):
            self.wfile.write(b".")
            self.wfile.flush()
        self.close_connection = True

    def status(self, value: str) -> None:
        self._answer(int(value))

    def _answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        pass


_BEHAVIOURS: Mapping[str, Callable[[_Handler, str], None]] = {
    "close": _Handler.close,
    "drip": _Handler.drip,
    "gone": _Handler.gone,
    "redirect": _Handler.redirect,
    "sleep": _Handler.sleep,
    "status": _Handler.status,
}


def main() -> None:
    """Serve until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m emulator.webhook_receiver")
    parser.add_argument("--port", type=int, default=9002)
    parser.add_argument("--secret", required=True, help="whsec_…, as the stage has it")
    options = parser.parse_args()
    with WebhookReceiver(options.secret, options.port) as receiver:
        print(receiver.address, flush=True)
        with suppress(KeyboardInterrupt):
            receiver.over.wait()


if __name__ == "__main__":
    main()

"""The emulator on a loopback port. Tests use running(). This module must not decide any answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from emulator.fc_control.account import Account
from emulator.fc_control.routes import answer

HOST = "127.0.0.1"


@contextmanager
def running(account: Account) -> Iterator[str]:
    """Serve the account's control API; yield its address. Signatures are not verified."""
    server = ThreadingHTTPServer((HOST, 0), _handler(account, threading.Lock()))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(account: Account, lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            target = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            with lock:
                query = dict(parse_qsl(target.query))
                status, document = answer(account, self.command, target.path, query, body)
            self._send(status, document)

        def _send(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base names it
            """Print nothing."""

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - as the base calls them

    return Handler

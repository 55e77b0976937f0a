"""A proxy in front of a store that speaks S3: it throttles, cuts, delays, loses answers, refuses.

Tests put it between the function `deliver` and a store of their own. It passes on each request
without a planned fault unchanged. It must not know what the store does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

TIMEOUT_S = 60
SLOW_DOWN, CUT, LOSE, DELAY, REFUSE = "slow_down", "cut", "lose", "delay", "refuse"
CORRUPT = "corrupt"
ANY = ""
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Fault:
    """A planned fault of the next `times` requests of an operation. A CUT request never reaches the
    store; with LOSE its answer does not come back; with CORRUPT the answer's last byte is changed.
    """

    do: str
    operation: str = ANY
    times: int = 1
    seconds: float = 0.0
    code: str = "AccessDenied"


@dataclass
class FaultyProxy:
    """Runs in threads inside its `with` block. `operations` and `headers` hold the operation and
    the headers of each request, in order, even of requests that a fault kept from the store."""

    store: str
    faults: list[Fault] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    address: str = ""

    def __enter__(self) -> Self:
        proxy, self._lock = self, threading.Lock()

        class Handler(_Handler):
            faulty = proxy  # type: ignore[assignment] # it is one

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        serve = partial(self._server.serve_forever, 0.01)
        threading.Thread(target=serve, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def plan(self, do: str, operation: str = ANY, **more: object) -> None:
        self.faults.append(Fault(do, operation, **more))  # type: ignore[arg-type] # its own fields

    def next_fault(self, operation: str, headers: Mapping[str, str]) -> Fault | None:
        with self._lock:
            self.operations.append(operation)
            self.headers.append(headers)
            for fault in self.faults:
                if fault.times > 0 and fault.operation in (ANY, operation):
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: FaultyProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = operation_of(self.command, self.path)
        fault = self.faulty.next_fault(operation, dict(self.headers.items()))
        if fault is None:
            self._answer(*self._passed_on(body))
        elif fault.do == SLOW_DOWN:
            self._answer(503, {"Content-Type": "application/xml"}, _error("SlowDown"))
        elif fault.do == REFUSE:
            self._answer(403, {"Content-Type": "application/xml"}, _error(fault.code))
        elif fault.do == CORRUPT:
            status, headers, data = self._passed_on(body)
            self._answer(status, headers, bytes([*data[:-1], data[-1] ^ 1]) if data else data)
        elif fault.do == DELAY:
            time.sleep(fault.seconds)
            self._answer(*self._passed_on(body))
        else:
            if fault.do == LOSE:
                self._passed_on(body)
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _passed_on(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        store = HTTPConnection(urlsplit(self.faulty.store).netloc, timeout=TIMEOUT_S)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
            store.request(self.command, self.path, body, headers)
            answer = store.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            store.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Print nothing."""


def operation_of(method: str, path: str) -> str:
    """Return S3's name of the operation that a request on an object asks for, such as GetObject."""
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if "partNumber" in query:
        return "UploadPart"
    if "uploadId" in query:
        names = {"GET": "ListParts", "POST": "CompleteMultipartUpload"}
        return names.get(method, "AbortMultipartUpload")
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    return f"{method.capitalize()}Object"


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message/></Error>".encode()

"""What doctor reads of a stage: all of it, however much that is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.api import Api
from cli.doctor.collect import collect
from cli.doctor.snapshot import StageRef, Unread
from cli.doctor.sources import Sources
from tests.conftest import NOON

pytestmark = pytest.mark.slow

PAGES, PAGE_ROWS = 101, 1000


class Listing(BaseHTTPRequestHandler):
    """A stage that answers only GET /v1/recordings, with so many pages."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        number = int(parse_qs(parts.query).get("cursor", ["1"])[0])
        rows = [{"stream": f"d/app/{number}-{n}", "phase": "idle"} for n in range(PAGE_ROWS)]
        page: Any = {
            "recordings": rows,
            "phases": {},
            "next": None if number == PAGES else number + 1,
        }
        is_list = parts.path == "/v1/recordings"
        body = json.dumps(page if is_list else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
        """Print nothing."""


@contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Listing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _no_bucket(*_asked: object) -> NoReturn:
    pytest.fail("a stage without a policy has no bucket")


def test_every_stream_of_the_stage_is_read() -> None:
    with serving() as url:
        sources = Sources(Api(url, "x"), None, _no_bucket)
        listed = collect(sources, StageRef(url, ""), now_ms=lambda: NOON).listed

    assert not isinstance(listed, Unread)
    assert len(listed) == PAGES * PAGE_ROWS

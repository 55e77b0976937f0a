"""A stage over HTTP within a test: the deployed functions in a thread of their own, one invocation
at a time, with the emulator of ApsaraVideo Live."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from emulator.live import Account, LiveInThread, Remote
from functions import files, on_demand, record_command, record_events, stream_events
from shared.config import Settings
from shared.inbound import function_compute
from shared.inbound.function_compute import Response
from shared.invocation.app import App
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.logs import Log
from tests.support.empty_database import sqlite_url

TOKEN = "dev-token"
ROLE = SimpleNamespace(access_key_id="dev", access_key_secret="dev-secret", security_token="")
FUNCTIONS: Mapping[str, Any] = {
    "/v1/files/": files,
    "/v1/": record_command,
    "/callbacks/stream/": stream_events,
    "/callbacks/record/": record_events,
    "/callbacks/on-demand/": on_demand,
}
RELAY = {"LIVE_RECORD_RELAY_URL": "http://127.0.0.1:9/relay", "LIVE_RECORD_RELAY_KEY": "k" * 16}


class HttpStage:
    def __init__(self, folder: Path, live: str, policy: str, settings: Mapping[str, str]) -> None:
        self.live, self.remote = live, Remote(live)
        self.role = ROLE
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        (folder / "policy.toml").write_text(policy)
        self.app = self._build(folder, settings)

    def _build(self, folder: Path, settings: Mapping[str, str]) -> App:
        environment = {
            "FC_EMULATOR": "1",
            "LIVE_RECORD_FORWARD_HOSTS": "127.0.0.1,old.example.com",
            "LIVE_RECORD_STORE": sqlite_url(folder),
            "LIVE_RECORD_POLICY": str(folder / "policy.toml"),
            "LIVE_RECORD_API_TOKENS": f"dev:read+control+policy+tokens:{TOKEN}",
            "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000",
            "LIVE_RECORD_RECORD_KEYS": "dev-record-key-0000",
            "LIVE_RECORD_PATH_TOKENS": "dev-path",
            "LIVE_RECORD_CALLBACK_HOST": self.host,
            "LIVE_RECORD_LIVE_ENDPOINT": self.live,
            **settings,
        }
        app = build(Settings.from_env(environment), now_ms)
        return replace(app, log=Log(lambda _line: None, now=now_ms))

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        event = {
            "rawPath": parts.path,
            "body": body.decode(),
            "headers": dict(request.headers.items()),
            "queryParameters": dict(parse_qsl(parts.query)),
            "requestContext": {"http": {"method": request.command}, "requestId": "1-77"},
        }
        answer = self._invoke(parts.path, json.dumps(event).encode())
        content = str(answer["body"]).encode()
        request.send_response(answer["statusCode"])
        for name, value in {**answer["headers"], "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def _invoke(self, path: str, event: bytes) -> dict[str, Any]:
        function = next(one for at, one in FUNCTIONS.items() if path.startswith(at))
        context = SimpleNamespace(request_id="1-77", credentials=self.role)
        respond: Callable[[Any], Response] = lambda asked: function.respond(  # noqa: E731
            Invocation(self.app, context, seconds=function.BUDGET_S), asked
        )
        answer: dict[str, Any] = function_compute.answer(respond, event, context, log=self.app.log)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stage = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stage.answer(self)

            do_POST = do_GET  # noqa: N815 - the library's name
            do_PUT = do_GET  # noqa: N815 - as above
            do_DELETE = do_GET  # noqa: N815 - as above

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
                pass

        return Handler


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def http_stage(
    folder: Path,
    policy: str,
    settings: Mapping[str, str] | None = None,
    *,
    account: Account | None = None,
    buckets: Path | None = None,
) -> Iterator[HttpStage]:
    """Run a stage for which Live is not configured yet: Live's configurations are those of another
    stage."""
    with LiveInThread(account, buckets=buckets) as live:
        stage = HttpStage(folder, live.address, policy, settings or {})
        with stage.serving():
            yield stage

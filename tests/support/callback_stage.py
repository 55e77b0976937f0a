"""The callback functions within a test: real functions over a real store, bytes in and JSON out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from functions import on_demand, reconcile, record_events, relay, stream_events
from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.inbound import function_compute, live_callbacks
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.logs import Log
from shared.outbound.live import LiveClient
from shared.protocol import Event, StreamKey, StreamRecord
from tests.conftest import KEY, Clock
from tests.support.empty_database import sqlite_url
from tests.support.scripted_stage import ScriptedLive

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "classroom" }
on_publish = "record"
"""
ENVIRONMENT = {
    "FC_EMULATOR": "1",
    "LIVE_RECORD_FORWARD_HOSTS": "127.0.0.1,old.example.com",
    "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000,new-stream-key-0000",
    "LIVE_RECORD_RECORD_KEYS": "dev-record-key-0000,new-record-key-0000",
    "LIVE_RECORD_PATH_TOKENS": "dev-path-token",
    "LIVE_RECORD_CALLBACK_HOST": "fc.example.com:8443",
    "LIVE_RECORD_LIVE_ENDPOINT": "http://127.0.0.1:1",
}
TOKEN = "dev-path-token"
HOST = "fc.example.com"
INGEST = "push.example.com"
STREAM_KEY, RECORD_KEY = "dev-stream-key-0000", "dev-record-key-0000"
LESSON = StreamKey("live.example.com", "classroom", "lesson")


WEB = function_compute.answer
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'counter' ORDER BY name"
CALLED_IN_OTHER_WAYS = (reconcile, relay)
"""The functions that take other events than HTTP requests."""


@dataclass
class Got:
    status: int
    json: dict[str, Any]
    size: int
    text: str
    kind: str


class Edge:
    """The stage as Function Compute sees it: `call` hands a function the event of a request."""

    def __init__(
        self, folder: Path, clock: Clock, *, policy: str = POLICY, **settings: str
    ) -> None:
        self.clock, self.live, self.lines = clock, ScriptedLive(), list[str]()
        self.database = folder / "records.db"
        (folder / "policy.toml").write_text(policy)
        environment = {
            **ENVIRONMENT,
            "LIVE_RECORD_STORE": sqlite_url(folder),
            "LIVE_RECORD_POLICY": str(folder / "policy.toml"),
            **settings,
        }
        self.app = replace(
            build(Settings.from_env(environment), clock),
            live=cast("LiveClient", self.live),
            log=Log(self.lines.append, now=clock),
            monotonic=lambda: clock.now / 1000,
        )

    def invocation(self) -> Invocation:
        return Invocation(self.app, SimpleNamespace(request_id="1-77"), seconds=3)

    def happens(self, event: Event, key: StreamKey = KEY) -> None:
        self.invocation().handle(key, event, HandlingOptions(may_send=lambda: True))

    def record(self, key: StreamKey = KEY) -> StreamRecord:
        return self.app.store.load(key).record

    def history(self, key: StreamKey = KEY) -> Sequence[str]:
        """Return the codes of the stream's history, oldest first."""
        entries = self.app.store.history(key, 100)
        return [entry.entry.code.value for entry in reversed(entries)]

    def dump(self) -> Sequence[str]:
        """Return every row of the store as text, without the counters, which also count refused
        requests."""
        with closing(sqlite3.connect(self.database)) as db:
            names = [row[0] for row in db.execute(TABLES)]
            every = "SELECT * FROM {}".format  # iterdump would quote each value, in Python
            return [f"{name} {row}" for name in names for row in db.execute(every(name))]

    def event(self, function: ModuleType, event: bytes) -> Got:
        respond: Callable[[Any], function_compute.Response] = lambda payload: function.respond(  # noqa: E731
            self.invocation(), payload
        )
        context = SimpleNamespace(request_id="1-77")
        takes = function_compute.answer_any if function in CALLED_IN_OTHER_WAYS else WEB
        answer: Any = takes(respond, event, context, log=self.app.log)
        body = answer["body"]
        kind = answer["headers"]["Content-Type"]
        payload = {} if kind.startswith("text/") else json.loads(body or "{}")
        return Got(answer["statusCode"], payload, len(body.encode()), body, kind)

    def call(  # noqa: PLR0913 - an HTTP request has as many parts
        self,
        function: ModuleType,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Got:
        event = {
            "rawPath": path,
            "body": body,
            "headers": headers or {},
            "queryParameters": query or {},
            "requestContext": {"http": {"method": method}, "requestId": "1-77"},
        }
        return self.event(function, json.dumps(event).encode())

    def signed(self, domain: str, key: str, *, age: int = 0) -> dict[str, str]:
        now = str(self.clock.now // 1000 - age)
        return {
            "Ali-Live-Timestamp": now,
            "Ali-Live-Signature": live_callbacks.sign(domain, now, key),
        }

    def ingest(self, action: str = "publish", key: StreamKey = KEY, **query: str) -> Got:
        """Send Live's GET about a stream, genuine unless `query` says otherwise."""
        time = str(self.clock.now // 1000)
        payload = {
            "action": action,
            "app": INGEST,
            "appname": key.app,
            "id": key.stream,
            "time": time,
        }
        return self.call(
            stream_events,
            "GET",
            f"/callbacks/stream/{TOKEN}",
            query={**payload, **query},
            headers=self.signed(INGEST, STREAM_KEY),
        )

    def record_callback(self, **fields: object) -> Got:
        """Send Live's POST about a recording, genuine."""
        body = {"domain": KEY.domain, "app": KEY.app, "stream": KEY.stream, **fields}
        return self.call(
            record_events,
            "POST",
            f"/callbacks/record/{TOKEN}",
            headers=self.signed(HOST, RECORD_KEY),
            body=json.dumps(body),
        )

    def asks(
        self,
        key: StreamKey = KEY,
        *,
        token: str = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """Send Live's GET that asks whether to record."""
        query = {"app": key.app, "domain": key.domain, "stream": key.stream, "codec": "h264"}
        path = f"/callbacks/on-demand/{token}"
        return self.call(on_demand, "GET", path, query=query, headers=headers)

    def remarks(self, kind: str, headers: Mapping[str, str], **fields: object) -> Got:
        path = f"/callbacks/stream/{kind}/{TOKEN}"
        return self.call(stream_events, "POST", path, headers=headers, body=json.dumps(fields))

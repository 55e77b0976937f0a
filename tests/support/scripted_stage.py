"""A stage within a test: the real function over a real store, Live's answers from a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema_rs
import msgspec
from msgspec.structs import replace

from functions import record_command
from functions.record_command.all_routes import ROUTES
from functions.record_command.openapi import document
from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.inbound import function_compute
from shared.inbound.function_compute import Request
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.logs import Log
from shared.outbound.live import LiveClient
from shared.protocol import Command, Event, StreamKey
from shared.protocol.command_errors import LiveError
from tests.conftest import KEY, NOON, Clock
from tests.support.empty_database import sqlite_url

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "FC_EMULATOR": "1",
    "LIVE_RECORD_FORWARD_HOSTS": "127.0.0.1,old.example.com",
    "LIVE_RECORD_API_TOKENS": (
        "ops:read+control+policy+tokens:ops-token,aux:control:aux-token,eye:read:eye-token"
    ),
    "LIVE_RECORD_POLICY": str(ROOT / "policy.toml"),
}
ROOM = f"/v1/recordings/{KEY}"
NOT_MODIFIED = 304
Answers = Mapping[str, object]


@dataclass
class ScriptedLive:
    """Answers each command with the next error of its script, and accepts it if there is none."""

    connect_timeout: int = 800
    read_timeout: int = 1500
    script: dict[Command, list[LiveError]] = field(default_factory=dict)
    sent: list[Command] = field(default_factory=list)
    live: int | None = None
    listed: LiveError | int = 0

    def prepare(self) -> None:
        """Do nothing: there is nothing slow to prepare."""

    def answers(self, command: Command, *errors: LiveError) -> None:
        self.script[command] = list(errors)

    def send(self, command: Command, _key: StreamKey, **_credentials: object) -> str:
        self.sent.append(command)
        if self.script.get(command):
            raise self.script[command].pop(0)
        return f"R-{len(self.sent)}"

    def find(self, _key: StreamKey, **_credentials: object) -> int | None:
        return self.live

    def online(self, domain: str, **_credentials: object) -> list[tuple[StreamKey, int]]:
        if isinstance(self.listed, LiveError):
            raise self.listed
        return [(StreamKey(domain, "app", str(n)), NOON) for n in range(self.listed)]


@dataclass
class Got:
    status: int
    headers: Mapping[str, str]
    json: dict[str, Any]
    text: str = ""

    @property
    def outcome(self) -> tuple[int, str, str]:
        return self.status, self.json["outcome"], self.json["phase"]

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.json["code"]


class Stage:
    """A stage on which each `ask` is one invocation, whose answer is checked against the OpenAPI
    document."""

    def __init__(self, folder: Path, clock: Clock, **settings: str) -> None:
        self.folder, self.clock, self.live = folder, clock, ScriptedLive()
        self.lines: list[str] = []
        environment = {**ENVIRONMENT, "LIVE_RECORD_STORE": sqlite_url(folder), **settings}
        self.app = replace(
            build(Settings.from_env(environment), clock),
            live=cast("LiveClient", self.live),
            log=Log(self.lines.append, now=clock),
            monotonic=lambda: clock.now / 1000,
        )
        self.store = self.app.store

    def call(self) -> Invocation:
        return Invocation(
            self.app, SimpleNamespace(request_id="1-77"), seconds=record_command.BUDGET_S
        )

    def happens(self, event: Event, key: StreamKey = KEY) -> None:
        self.call().handle(key, event, HandlingOptions(slot_wait_ms=250))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "ops-token",  # noqa: S107 - a made-up one
        query: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Authorization": f"Bearer {token}", **named} if token else named
        return self.event(method, path, _text(body), query or {}, given)

    def event(
        self, method: str, path: str, body: str, query: Answers, headers: Mapping[str, str]
    ) -> Got:
        event = {
            "rawPath": path,
            "body": body,
            "headers": headers,
            "queryParameters": query,
            "requestContext": {"http": {"method": method}, "requestId": "1-77"},
        }

        def respond(request: Any) -> function_compute.Response:  # noqa: ANN401 - a trigger's event
            return record_command.respond(self.call(), request)

        context = SimpleNamespace(request_id="1-77")
        answer: Any = function_compute.answer(
            respond, json.dumps(event).encode(), context, log=self.app.log
        )
        is_text = answer["headers"]["Content-Type"].startswith("text/")
        payload = {} if is_text else json.loads(answer["body"] or "{}")
        got = Got(answer["statusCode"], answer["headers"], payload, str(answer["body"]))
        check(method, path, got)
        return got

    def start(self, body: object = None, **headers: Any) -> Got:  # noqa: ANN401 - texts
        return self.ask("POST", f"{ROOM}/start", body, **headers)

    def stop(self, body: object = None, **headers: Any) -> Got:  # noqa: ANN401 - texts
        return self.ask("POST", f"{ROOM}/stop", body, **headers)

    def status(self) -> Got:
        return self.ask("GET", ROOM)


def _text(body: object) -> str:
    if body is None:
        return ""
    return body if isinstance(body, str) else json.dumps(body)


@cache
def described() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(msgspec.json.encode(document(ROUTES, NOON)))
    return body


def check(method: str, path: str, got: Got) -> None:
    """Assert that status, content type, headers and body are as the OpenAPI document says."""
    segments = Request(method, path, raw_path=path).segments
    route = next((one for one in ROUTES if one.method == method and one.matches(segments)), None)
    route = route or next((r for r in ROUTES if r.method == method and r.path == path), None)
    if route is None:
        return
    answers = described()["paths"][route.path][method.lower()]["responses"]
    assert str(got.status) in answers, f"{route.path} does not document {got.status}: {got.json}"
    answer = answers[str(got.status)]
    undocumented = set(got.headers) - {"Content-Type", "Cache-Control", *answer.get("headers", {})}
    assert not undocumented, f"{route.path} {got.status} has {undocumented}"
    if method == "HEAD" or got.status == NOT_MODIFIED:
        assert "content" not in answer
        return
    kind = got.headers["Content-Type"].partition(";")[0]
    shown: object = got.json if "json" in kind else got.text
    _validator(route.path, method.lower(), str(got.status), kind).validate(shown)


@cache
def _validator(path: str, method: str, status: str, kind: str) -> jsonschema_rs.Validator:
    """Return what checks such an answer. It is made once: that takes longer than a check."""
    answer = described()["paths"][path][method]["responses"][status]
    schema = {**answer["content"][kind]["schema"], "components": described()["components"]}
    return jsonschema_rs.validator_for(schema)

"""The requests that reach the deployed functions, as the bytes that Function Compute passes.

The simulation's world makes requests, and `fleet` passes them to the deployed functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.outbound.wake import KEY_HEADER
from shared.protocol import (
    Asked,
    CommandSettled,
    ExtendAsked,
    StartAsked,
    StopAsked,
    StreamKey,
)
from shared.protocol.durations import rfc3339

TOKEN = "path-token-0123456789"
API_TOKEN = "api-token-0123456789"
WAKE_KEY = "wake-key-0123456789"
_API_HEADERS = {"Authorization": f"Bearer {API_TOKEN}", "Content-Type": "application/json"}
_VERBS = {"StartAsked": "start", "StopAsked": "stop", "ExtendAsked": "extend",
          "RestartAsked": "restart", "CancelDelayAsked": "cancel_delay"}  # fmt: skip


REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Request:
    """A callback, an ask, a wake-up call or the timer."""

    function: str
    path: str = ""
    headers: Mapping[str, str] | None = None
    fields: Mapping[str, object] | None = None
    body: bytes = b""
    key: StreamKey | None = None
    asked: Asked | None = None
    sent: CommandSettled | None = None
    genuine: str = ""
    """Empty for a genuine request; else how the request was made up."""
    method: str = ""
    """The method of an API request that names no stream; `body` is its body, in JSON."""
    expected: int | None = None
    """The status that an answer must have; None for any."""

    @property
    def is_unproved(self) -> bool:
        """Return True for a request that may change nothing: one without proof, or an on-demand
        ask."""
        made_up = self.genuine not in ("", REPLAYED)
        return made_up or self.function == "on_demand"

    def event(self) -> bytes:
        if self.asked is not None:
            return _ask(self)
        if self.method:
            return _http(self.method, self.path, {}, _API_HEADERS, self.body)
        if self.function == "reconcile":
            return _wake() if self.path == "wake" else _timer()
        headers = dict(self.headers or {})
        if self.body:
            return _http("POST", self.path, {}, headers, self.body)
        query = {name: str(value) for name, value in (self.fields or {}).items()}
        return _http("GET", self.path, query, headers, b"")


def _ask(request: Request) -> bytes:
    asked, key = request.asked, request.key
    assert asked is not None
    assert key is not None
    headers = dict(_API_HEADERS)
    if asked.idempotency_key is not None:
        headers["Idempotency-Key"] = asked.idempotency_key.key
    path = f"/v1/recordings/{key}/{_VERBS[type(asked).__name__]}"
    return _http("POST", path, {}, headers, json.dumps(_fields(asked)).encode())


def _fields(asked: Asked) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if isinstance(asked, StartAsked):
        fields = {
            "note": asked.note,
            "on_interruption": asked.on_interruption and asked.on_interruption.value,
            "if_not_live": asked.if_not_live.value,
        }
    if isinstance(asked, StartAsked | ExtendAsked):
        fields["max_duration"] = _duration(asked.max_duration)
        fields["until"] = None if asked.until is None else rfc3339(asked.until)
        fields["allow_short"] = True
    if isinstance(asked, StopAsked):
        hold = "session" if asked.hold_session else _duration(asked.hold)
        fields = {"note": asked.note, "finalize": asked.finalize, "hold": hold}
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _duration(ms: int | None) -> str | None:
    return None if ms is None else f"{ms // 1000}s"


def _wake() -> bytes:
    return _http("POST", "/", {}, {KEY_HEADER: WAKE_KEY}, b"")


def _timer() -> bytes:
    names = ("triggerName", "triggerTime", "payload")
    return json.dumps(dict.fromkeys(names, "timer")).encode()


def _http(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> bytes:
    event = {
        "rawPath": path,
        "headers": headers,
        "queryParameters": query,
        "body": body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": False,
        "requestContext": {"http": {"method": method, "path": path}},
    }
    return json.dumps(event).encode()


def body_of(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()

"""The events that functions receive: of HTTP requests and of timers.

server.py and timers.py call this module (docs/platform/function-compute.md §2.1, §3). It does no
I/O and reads no clock.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from urllib.parse import parse_qsl, unquote

_HIDDEN_HEADERS = ("Connection", "Keep-Alive", "Host")


@dataclass(frozen=True)
class Call:
    """One HTTP request as received."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    host: str
    source_ip: str


def http_event(
    call: Call, *, at: datetime, request_id: str, account_id: str, base64_always: bool
) -> bytes:
    headers = _headers(call.headers)
    body, encoded = _body(call.body, base64_always=base64_always)
    context = {
        "accountId": account_id,
        "domainName": call.host,
        "domainPrefix": call.host.partition(".")[0],
        "requestId": request_id,
        "time": rfc3339(at),
        "timeEpoch": str(int(at.timestamp() * 1000)),
        "http": _http(call, headers.get("User-Agent", "")),
    }
    event = {
        "version": "v1",
        "rawPath": call.path,
        "body": body,
        "isBase64Encoded": encoded,
        "headers": headers,
        "queryParameters": _join_values(parse_qsl(call.query, keep_blank_values=True)),
        "requestContext": context,
    }
    return json.dumps(event).encode()


def timer_event(name: str, payload: str, at: datetime) -> bytes:
    """Return the event of a timer trigger (docs/platform/function-compute.md §3, Timer)."""
    event = {"triggerTime": rfc3339(at), "triggerName": name, "payload": payload}
    return json.dumps(event).encode()


def rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _http(call: Call, user_agent: str) -> dict[str, str]:
    return {
        "method": call.method,
        "path": unquote(call.path),
        "protocol": "HTTP/1.1",
        "sourceIp": call.source_ip,
        "userAgent": user_agent,
    }


def _headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers in the spelling of Go, which Function Compute uses.

    Headers that a caller cannot set are left out (docs/platform/function-compute.md §2.3). Go keeps
    no Host header.
    """
    named = [(_canonical_name(name), value) for name, value in headers]
    return _join_values(
        (name, value)
        for name, value in named
        if name not in _HIDDEN_HEADERS and not name.startswith("X-Fc-")
    )


@cache
def _canonical_name(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _join_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, *, base64_always: bool) -> tuple[str, bool]:
    if not base64_always:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True

"""A client of the control plane.

Tests, benchmarks and the command line call this module. It must not import the emulator's state: it
may run in another process.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from emulator.live.fields import Unfit

TIMEOUT_S = 60
OK = 200


class Remote:
    """Calls the emulator at an address; raises Unfit with every fault it reports."""

    def __init__(self, address: str, *, domain: str = "push.example.com", app: str = "app") -> None:
        self._netloc = urlsplit(address).netloc
        self._place = {"domain": domain, "app": app}

    def publish(self, stream: str, **more: object) -> dict[str, Any]:
        return self.post("publish", {**self._place, "stream": stream, **more})

    def unpublish(self, stream: str, **more: object) -> dict[str, Any]:
        return self.post("unpublish", {**self._place, "stream": stream, **more})

    def record_error(self, stream: str, **more: object) -> dict[str, Any]:
        return self.post("record_error", {**self._place, "stream": stream, **more})

    def record_event(self, stream: str, kind: str, **fields: object) -> dict[str, Any]:
        """Post a recording callback; `kind` is its event and `fields` are its body."""
        body = {**self._place, "stream": stream, "event": kind, "fields": fields}
        return self.post("record_event", body)

    def exception(self, stream: str, **more: object) -> dict[str, Any]:
        return self.post("exception", {**self._place, "stream": stream, **more})

    def switch_publisher(self, stream: str, **more: object) -> dict[str, Any]:
        return self.post("switch", {**self._place, "stream": stream, **more})

    def fail(self, **fault: object) -> dict[str, Any]:
        return self.post("fail", fault)

    def detour(self, do: str, **more: object) -> dict[str, Any]:
        return self.post("callbacks", {"do": do, **more})

    def object_fault(self, do: str, **more: object) -> dict[str, Any]:
        """Plan a fault of the next file that is kept."""
        return self.post("objects", {"do": do, **more})

    def advance(self, seconds: float) -> dict[str, Any]:
        return self.post("clock", {"advance_ms": round(seconds * 1000)})

    def skew(self, seconds: float) -> dict[str, Any]:
        return self.post("skew", {"ms": round(seconds * 1000)})

    def switch(self, **switches: object) -> dict[str, Any]:
        return self.post("switches", switches)

    def notify(self, **changes: object) -> dict[str, Any]:
        return self.post("notify", changes)

    def reset(self) -> None:
        self.post("reset", {})

    def state(self, stream: str) -> dict[str, Any]:
        """Return one stream: live, sessions, recording, files."""
        found = self.get("state", stream=stream, app=self._place["app"])["streams"]
        return dict(found[0]) if found else {}

    def calls(self, since: int = 0) -> dict[str, Any]:
        return self.get("calls", since=since)

    def get(self, name: str, **query: object) -> dict[str, Any]:
        return self.ask("GET", f"{name}?{urlencode(query)}", b"")

    def post(self, name: str, body: object) -> dict[str, Any]:
        return self.ask("POST", name, json.dumps(body).encode())

    def ask(self, method: str, name: str, body: bytes) -> dict[str, Any]:
        connection = HTTPConnection(self._netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"/_control/{name}", body)
            answer = connection.getresponse()
            document: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != OK:
            raise Unfit(document["faults"])
        return document

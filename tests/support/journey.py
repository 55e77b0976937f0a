"""A whole stage for journeys: the deployed functions between the emulators, driven over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cli.local.stack import TOKEN, Stack, running
from emulator.live import Remote
from shared.inbound.live_callbacks import sign

DOMAIN = "live.example.com"
INGEST = "push.example.com"
PATIENCE = 120.0
CLASSES_ARE_RECORDED = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app", stream = "class*" }
on_publish = "record"
"""
"""A policy that records the streams whose names begin with `class`."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A stage with a method for each request; a stream is named by its last part alone."""

    stack: Stack
    live: Remote

    def url(self, stream: str, what: str = "") -> str:
        return f"{self.stack.fc}/v1/recordings/{DOMAIN}/app/{stream}{what}"

    def ask(self, stream: str, what: str, **body: object) -> requests.Response:
        return self.call("POST", self.url(stream, f"/{what}"), json=body)

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,  # noqa: ANN401 - any JSON
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        return requests.request(method, url, json=json, headers=headers, timeout=PATIENCE)

    def record(self, stream: str, **body: object) -> None:
        """Start the stream, and wait until it is recorded, also if a busy machine misses the first
        slot."""
        self.ask(stream, "start", **body)
        self.until(lambda: self.records(stream))

    def status(self, stream: str) -> Json:
        body: Json = self.call("GET", self.url(stream)).json()
        return body

    def history(self, stream: str) -> Sequence[str]:
        """Return the codes of the stream's history, oldest first."""
        lines = self.call("GET", self.url(stream, "/history")).json()["history"]
        return [line["code"] for line in reversed(lines)]

    def publish(self, stream: str, **more: object) -> Json:
        return self.live.publish(stream, wait=True, **more)

    def unpublish(self, stream: str, **more: object) -> Json:
        return self.live.unpublish(stream, wait=True, **more)

    def now_s(self) -> int:
        return int(self.live.get("clock")["now_ms"]) // 1000

    def ingest(
        self, stream: str, *, signed: str = INGEST, second: int | None = None, **query: object
    ) -> requests.Response:
        """Send a publish callback of our own, signed over the domain `signed` in this second, or in
        another one; return the answer."""
        stamp = str(self.now_s() if second is None else second)
        payload = {"action": "publish", "app": INGEST, "appname": "app", "id": stream}
        signature = sign(signed, stamp, "dev-stream-key-0000")
        return requests.get(
            f"{self.stack.fc}/callbacks/stream/dev-path",
            params={**payload, "time": stamp, **query},  # type: ignore[arg-type] # requests writes numbers as well
            headers={"ALI-LIVE-TIMESTAMP": stamp, "ALI-LIVE-SIGNATURE": signature},
            timeout=PATIENCE,
        )

    def forge_end(self, stream: str) -> None:
        """Send a signed publish_done of a live stream, as after a refused second publisher."""
        self.ingest(stream, action="publish_done").raise_for_status()

    def sent(self, stream: str) -> Sequence[str]:
        """Return the commands sent over the wire, as logged by the emulator."""
        calls = self.live.calls()["calls"]
        return [call["command"] for call in calls if call["stream"] == stream and call["command"]]

    def records(self, stream: str) -> bool:
        recording = self.live.state(stream).get("recording")
        return recording is not None and recording["state"] == "recording"

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.02)

    def until_sent(self, stream: str, *commands: str) -> None:
        """Wait until these commands, and no others, were sent, whichever reconcile sent them."""
        self.until(lambda: len(self.sent(stream)) >= len(commands))
        assert self.sent(stream) == list(commands)

    def until_told(self, stream: str, code: str) -> None:
        self.until(lambda: code in self.history(stream))

    def until_phase(self, stream: str, phase: str) -> None:
        self.until(lambda: bool(self.status(stream)["phase"] == phase))

    def reconcile(self) -> None:
        """Fire the timer and wait for the end of its run."""
        self.fire("reconcile")

    def fire(self, function: str) -> None:
        """Fire the timer of a function and wait for the end of its run."""
        url = f"{self.stack.fc}/_fc/timer/{function}"
        answer = requests.post(url, json={"wait": True}, timeout=100)
        assert [fired["ok"] for fired in answer.json()["fired"]] == [True], answer.text


@contextmanager
def stage(folder: Path, **settings: str) -> Iterator[Stage]:
    with running(folder, settings=settings) as stack:
        yield Stage(stack, Remote(stack.live))

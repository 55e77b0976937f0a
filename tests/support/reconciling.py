"""A stage within a test whose reconcile runs as Function Compute starts it: by its timer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from functions import reconcile
from shared.inbound import function_compute
from shared.invocation.serve import answer_in
from shared.outbound.live import LiveClient
from shared.outbound.live.client import UndeliveredCallback
from shared.outbound.wake import KEY_HEADER
from shared.protocol import Command, StreamKey
from tests.conftest import Clock
from tests.support.callback_stage import POLICY, Edge
from tests.support.scripted_stage import ScriptedLive

TIMER = {"triggerName": "minute", "triggerTime": "2025-11-22T08:26:40Z", "payload": ""}


@dataclass
class ListingLive(ScriptedLive):
    """Has the streams of `up` online, and `lost` callbacks. `meanwhile` is called while the online
    list is read, and `sends` as a command arrives."""

    up: dict[StreamKey, int] = field(default_factory=dict)
    lost: list[UndeliveredCallback] = field(default_factory=list)
    polls: int = 0
    meanwhile: Callable[[], None] = lambda: None
    sends: Callable[[StreamKey], None] = lambda _key: None
    carried: list[tuple[Command, StreamKey]] = field(default_factory=list)

    def send(self, command: Command, _key: StreamKey, **credentials: object) -> str:
        self.carried.append((command, _key))
        self.sends(_key)
        return super().send(command, _key, **credentials)

    def find(self, _key: StreamKey, **_credentials: object) -> int | None:
        self.polls += 1
        return self.up.get(_key)

    def online(self, domain: str, **credentials: object) -> list[tuple[StreamKey, int]]:
        self.meanwhile()
        super().online(domain, **credentials)
        return [(key, at) for key, at in self.up.items() if key.domain == domain]

    def undelivered_stream_events(self, *_: object, **__: object) -> Sequence[UndeliveredCallback]:
        return []

    def undelivered_record_events(self, *_: object, **__: object) -> Sequence[UndeliveredCallback]:
        return self.lost


class InlineSignal:
    """What `threading.Condition` is to threads, where each job runs at once."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no lock."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        assert predicate(), timeout
        return True

    def notify(self, n: int = 1) -> None:
        """Do nothing: nobody waits."""


class InlineWorkers:
    """Runs each job as it is started, so that a test does not depend on threads."""

    def __init__(self) -> None:
        self.signal = InlineSignal()

    def __enter__(self) -> None:
        """Do nothing: there is nothing to open."""

    def __exit__(self, *_: object) -> None:
        """Do nothing: all jobs have ended."""

    def start(self, job: Callable[[], None]) -> None:
        job()


POST = {"method": "POST"}
WAKING = {
    "LIVE_RECORD_WAKE_URL": "http://127.0.0.1:1/wake",
    "LIVE_RECORD_WAKE_KEY": "dev-wake-key-00000",
}


class ReconcilingStage(Edge):
    """A stage on which `minute` runs the timer's reconcile once. Waiting moves the clock and takes
    no real time."""

    def __init__(
        self, folder: Path, clock: Clock, *, policy: str = POLICY, **settings: str
    ) -> None:
        super().__init__(folder, clock, policy=policy, **WAKING, **settings)
        self.listing = ListingLive()
        self.live = self.listing
        self.app = replace(
            self.app,
            live=cast("LiveClient", self.listing),
            wait=lambda seconds: clock.pass_ms(round(seconds * 1000)),
            workers=InlineWorkers,
        )

    def minute(self) -> dict[str, Any]:
        """Run the timer's reconcile; return its answer. Raise InvocationFailed if it fails."""
        return self.reconcile(json.dumps(TIMER).encode())

    def woken(self) -> dict[str, Any]:
        """Run the reconcile that a wake-up call starts."""
        headers = {KEY_HEADER: self.app.settings.wake_key}
        http = {"rawPath": "/wake", "headers": headers, "requestContext": {"http": POST}}
        return self.reconcile(json.dumps(http).encode())

    def reconcile(self, event: bytes) -> dict[str, Any]:
        answer: Any = answer_in(
            self.app,
            function_compute.answer_any,
            reconcile.respond,
            event,
            SimpleNamespace(request_id="1-77"),
            seconds=reconcile.BUDGET_S,
        )
        assert answer["statusCode"] == 200, answer
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log whose event begins with `event`."""
        lines = [json.loads(line) for text in self.lines for line in text.splitlines()]
        return [line for line in lines if line["event"].startswith(event)]

"""Measures how long a change takes to the receiver of a webhook while many streams fail at once.

`python -m benchmarks.notify` calls this module. Thousands of streams are recorded, and within ten
seconds Live reports that each recording has stopped. The deployed code runs, from the callback to
the receiver, which is a process of its own. Time is virtual: each step takes as long as `Pace`
says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.refusing_live import RefusingLive
from benchmarks.virtual_workers import VirtualTime, VirtualWorkers
from functions import notify
from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.inbound import function_compute
from shared.invocation.app import App
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.invocation.serve import answer_in
from shared.logs import Log
from shared.outbound.bounded_socket import MayReach
from shared.outbound.http import Connections, Outgoing, is_taken
from shared.outbound.live import LiveClient
from shared.protocol import Published, Reported, StreamKey
from shared.store import Store, open_store

NOON_MS = 1_763_800_000_000
FAIL_WITHIN_S = 10
RUNS = 2
EVERY_S = 60
RATE_PER_S = 50
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # noqa: S105 - made up
DOMAIN = "live.example.com"
POLICY = """
[[domain]]
streaming = "live.example.com"
[[rule]]
match = { domain = "live.example.com" }
on_publish = "record"
"""
RECEIVER = """
[[webhook]]
name = "crm"
url = "ADDRESS/crm"
events = ["EVENTS"]
"""
TIMER = b'{"triggerTime":"2026-11-29T12:00:00Z","triggerName":"every-minute","payload":""}'


class Pace(Struct, frozen=True):
    """The times of a round trip to the store and of a whole call of the receiver, in ms.
    `slowness`: how many s the function, with 0.35 of a CPU, needs for one second of this machine's
    work."""

    store_ms: float = 2
    call_ms: float = 100
    slowness: float = 1 / 0.35


PACE = Pace()


class PacedStore:
    """A store whose every call takes a round trip."""

    def __init__(self, store: Store, clock: VirtualTime, pace: Pace) -> None:
        self._store, self._clock, self._pace = store, clock, pace

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real: Callable[..., Any] = getattr(self._store, name)

        def call(*args: object, **named: object) -> object:
            self._clock.sleep(self._pace.store_ms / 1000)
            return real(*args, **named)

        return call


class PacedConnections(Connections):
    """Connections over which a call takes its time. They note when an event was received first."""

    def __init__(self, clock: VirtualTime, pace: Pace, received_at: dict[str, int]) -> None:
        super().__init__()
        self._clock, self._pace, self._received_at = clock, pace, received_at

    def call(self, outgoing: Outgoing, *, patience: float, may_reach: MayReach) -> int:
        status = super().call(outgoing, patience=patience, may_reach=may_reach)
        self._clock.sleep(self._pace.call_ms / 1000)
        if is_taken(status):
            self._received_at.setdefault(outgoing.headers["webhook-id"], self._clock())
        return status


class Stage:
    """A stage whose calls run in virtual time."""

    def __init__(self, folder: Path, url: str, receiver: str, pace: Pace) -> None:
        self._folder, self._url, self._receiver, self._pace = folder, url, receiver, pace
        self.received_at = dict[str, int]()
        self.clock = VirtualTime(NOON_MS, pace.slowness)
        self.opened = open_store(url, rate=RATE_PER_S, clock=self.clock)
        self.store = PacedStore(self.opened, self.clock, pace)

    def app(self, receiver: str = "") -> App:
        """Return what a process keeps; all have the same store."""
        file = self._folder / "webhooks.toml"
        file.write_text(POLICY + receiver)
        settings = Settings.from_env(
            {
                "FC_EMULATOR": "1",
                "LIVE_RECORD_STORE": self._url,
                "LIVE_RECORD_POLICY": str(file),
                "LIVE_RECORD_RATE": str(RATE_PER_S),
                "LIVE_RECORD_WEBHOOK_HOSTS": "127.0.0.1",
                "LIVE_RECORD_WEBHOOK_SECRETS": f"crm:{SECRET}",
            }
        )
        clock, live = self.clock, cast("LiveClient", RefusingLive())
        app = build(settings, clock, self.opened, live=live)
        return replace(
            app,
            log=Log(lambda _line: None, now=clock),
            monotonic=clock.monotonic,
            wait=clock.sleep,
            workers=lambda: VirtualWorkers(clock),
        )

    def record(self, streams: int) -> None:
        """Have so many streams recorded before a receiver is in the policy."""
        app = self.app()
        for number in range(streams):
            self.clock.sleep(1 / RATE_PER_S)
            happens(app, number, Published(self.clock()))
            happens(app, number, Reported("record_started", recording=True, time=self.clock()))

    def fail(self, streams: int, after_s: float) -> None:
        """Have so many recordings stop within ten seconds, from `after_s` on."""
        app = self.app(self._receiver)

        def stop(number: int) -> None:
            happens(app, number, Reported("record_paused", recording=False, time=self.clock()))

        for number in range(streams):
            at_s = after_s + FAIL_WITHIN_S * number / streams
            self.clock.start(partial(stop, number), after_s=at_s, free=True)

    def notify(self) -> None:
        run_notify(replace(self.app(self._receiver), store=cast("Store", self.store)))

    def connections(self) -> PacedConnections:
        return PacedConnections(self.clock, self._pace, self.received_at)


def run_notify(app: App) -> None:
    """Run the function notify once, as its timer does."""
    context, answer = SimpleNamespace(request_id="1-77"), function_compute.answer_any
    got: Any = answer_in(app, answer, notify.respond, TIMER, context, seconds=notify.BUDGET_S)
    if got["statusCode"] != 200:
        raise RuntimeError(got["body"])


def happens(app: App, number: int, event: Published | Reported) -> None:
    key = StreamKey(DOMAIN, "show", f"room{number:05}")
    Invocation(app, None, seconds=5).handle(key, event, HandlingOptions())


def figures(folder: Path, url: str, streams: int, events: str, pace: Pace = PACE) -> dict[str, Any]:
    """Return the figures: the events, the streams without one, and how long the events took."""
    with receiver() as address:
        hook = RECEIVER.replace("ADDRESS", address).replace("EVENTS", events)
        stage = Stage(folder, url, hook, pace)
        stage.record(streams)
        stage.clock.cpu_s = 0.0
        for run in range(RUNS):
            stage.clock.start(stage.notify, after_s=EVERY_S * run)
        stage.fail(streams, after_s=EVERY_S / 2)
        with mock.patch.object(notify, "Connections", stage.connections):
            stage.clock.sleep(EVERY_S * (RUNS + 1))
        stage.opened.close()
        arrived = asked(f"{address}/_control/arrived")
    opened = {each["id"] for each in arrived if each["type"] == "gap.opened"}
    ids = {each["id"] for each in arrived}
    delays_ms = sorted(at - int(event[:11], 16) for event, at in stage.received_at.items())
    return {
        "events": len(ids),
        "lost": streams - len(opened),
        "twice": len(arrived) - len(ids),
        "p50_s": delays_ms[len(delays_ms) // 2] / 1000,
        "p99_s": delays_ms[len(delays_ms) * 99 // 100] / 1000,
        "max_s": delays_ms[-1] / 1000,
        "cpu_ms_per_event": round(1000 * stage.clock.cpu_s / len(ids), 2),
    }


@contextmanager
def receiver(secret: str = SECRET) -> Iterator[str]:
    """Yield the address of a receiver, which is a process of its own."""
    command = (sys.executable, "-m", "emulator.webhook_receiver", "--port", "0", "--secret", secret)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise AssertionError("its output is a pipe")
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def asked(url: str) -> Sequence[Mapping[str, Any]]:
    """Return what the receiver's control plane answers."""
    address = urlsplit(url)
    with closing(HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.request("GET", address.path)
        with closing(connection.getresponse()) as answer:
            found: Sequence[Mapping[str, Any]] = json.load(answer)
        return found

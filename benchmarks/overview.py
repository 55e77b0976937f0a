"""Measures what GET /v1/overview costs as the stage grows, while 200 of its recordings are lost.

`python -m benchmarks.overview --json` answers the request with the real function over the real
stores, each with few streams and with many. It does not call Live.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

from benchmarks.store_growth import compare
from cli.paths import ROOT
from functions import record_command
from shared.config import Settings
from shared.inbound.function_compute import Headers, Request
from shared.invocation.app import App
from shared.invocation.composition import build, wall_clock
from shared.invocation.invocation import Invocation
from shared.protocol import StreamKey
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session
from shared.store import Store
from shared.store.contract import Save

LOST_STREAMS = 200
LOST_FOR_MS = 60_000
TOKEN = "benchmark-token"  # noqa: S105 - of a stage that lives as long as this process
ENVIRONMENT = {
    "FC_EMULATOR": "1",
    "LIVE_RECORD_STORE": "sqlite:////dev/null",
    "LIVE_RECORD_POLICY": str(ROOT / "policy.toml"),
    "LIVE_RECORD_API_TOKENS": f"ops:read:{TOKEN}",
}
REQUEST = Request(
    "GET",
    "/v1/overview",
    raw_path="/v1/overview",
    headers=Headers({"Authorization": f"Bearer {TOKEN}"}),
)


@dataclass
class Stage:
    """A stage over a store that is filled, and how long its answers took, in ms."""

    app: App
    took: list[float] = field(default_factory=list)
    answer_bytes: int = 0

    def measure(self, requests: int) -> None:
        for _ in range(requests):
            call = Invocation(self.app, SimpleNamespace(), seconds=record_command.BUDGET_S)
            began = time.perf_counter()
            answer = record_command.respond(call, REQUEST).to_fc()
            self.took.append((time.perf_counter() - began) * 1000)
            self.answer_bytes = len(str(answer["body"]).encode())

    def figures(self) -> dict[str, float]:
        return {
            "median_ms": round(statistics.median(self.took), 2),
            "bytes": self.answer_bytes,
        }


def lose(store: Store) -> None:
    """Add the streams that are being lost."""
    at = store.now() - LOST_FOR_MS
    for number in range(LOST_STREAMS):
        key = StreamKey("live.example.com", "app", f"lost{number:04d}")
        intent = Intent(generation=1, wanted=True, made_at=at, until=at * 2, session=1)
        session = Session(1, at, time=at)
        store.save_or_claim(Save(0, StreamRecord(key, intent, session=session, changed_at=at)))


def stage_over(store: Store) -> Stage:
    """Return a stage over the store, with the streams that are being lost in it."""
    lose(store)
    settings = Settings.from_env(ENVIRONMENT)
    return Stage(build(settings, wall_clock, store, write=lambda _line: None))


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    compare(arguments, arguments.requests, "median_ms", lambda filled: stage_over(filled.store))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overview", description=__doc__)
    add = parser.add_argument
    add("--few", type=int, default=1_000)
    add("--many", type=int, default=100_000)
    add("--requests", type=int, default=200)
    add("--json", action="store_true", help="the last line alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

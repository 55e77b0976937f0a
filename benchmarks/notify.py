"""Measures, in virtual time, which messages and events are sent while many streams fail at once.

`python -m benchmarks.notify --json` lets thousands of streams be published within ten seconds while
Live refuses every start, with as many others recorded well. The deployed function notify runs each
minute, from its timer's event to the robots, which are emulators with the real limits.
notify_webhooks.py measures what the receiver of a webhook gets.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from benchmarks import notify_webhooks
from benchmarks.notify_webhooks import DOMAIN, NOON_MS, POLICY
from benchmarks.refusing_live import LOST, RefusingLive
from cli.local.redis_server import DURABLE, Engine
from emulator.robots import Dingtalk, Feishu, Robot, RobotsInThread, Wecom
from functions.notify.evaluating import evaluate
from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.invocation.app import App
from shared.invocation.composition import build
from shared.invocation.invocation import Invocation
from shared.logs import Log
from shared.outbound.live import LiveClient
from shared.protocol import Published, Reported, StreamKey
from shared.store import open_store

FAIL_WITHIN_MS, MINUTE_MS = 10_000, 60_000
MINUTES = 5
SINKS = """
[[notify]]
sink = "ding"
[[notify]]
sink = "fei"
[[notify]]
sink = "we"
"""
_COUNT = re.compile(r"^CRITICAL: streams that are live and not recorded: (\d+)$", re.MULTILINE)
_WORST = re.compile(r"^(\S+), for", re.MULTILINE)


class VirtualClock:
    def __init__(self) -> None:
        self.now = NOON_MS

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Failing:
    """A stage, its robots and its clock."""

    def __init__(self, folder: Path, store: str, addresses: Sequence[str]) -> None:
        self.clock = VirtualClock()
        (folder / "policy.toml").write_text(POLICY + SINKS)
        settings = Settings.from_env(
            {
                "FC_EMULATOR": "1",
                "LIVE_RECORD_STORE": store,
                "LIVE_RECORD_POLICY": str(folder / "policy.toml"),
                "LIVE_RECORD_RATE": "50",
                "LIVE_RECORD_ROBOTS": " ".join(addresses),
            }
        )
        clock = self.clock
        opened = open_store(store, rate=settings.rate, clock=clock)  # Redis by this clock, too
        app = build(settings, clock, opened, live=cast("LiveClient", RefusingLive()))
        self.app: App = replace(
            app,
            log=Log(lambda _line: None, now=clock),
            monotonic=lambda: clock.now / 1000,
            wait=clock.wait,
        )

    def happens(self, key: StreamKey, event: Published | Reported) -> None:
        options = HandlingOptions(slot_wait_ms=MINUTE_MS)
        Invocation(self.app, None, seconds=0).handle(key, event, options)

    def runs_well(self, streams: int) -> None:
        """Have so many streams recorded."""
        for number in range(streams):
            key = StreamKey(DOMAIN, "well", f"room{number:05}")
            self.clock.now += 25
            self.happens(key, Published(self.clock.now))
            self.happens(key, Reported("record_started", recording=True, time=self.clock.now))

    def fails(self, streams: int) -> dict[str, int]:
        """Have so many streams fail within ten seconds; return the time of each failure."""
        began, failed_at = self.clock.now, dict[str, int]()
        for number in range(streams):
            key = StreamKey(DOMAIN, LOST, f"room{number:05}")
            at = began + number * FAIL_WITHIN_MS // streams
            self.clock.now = at
            failed_at[str(key)] = at
            self.happens(key, Published(at))
        self.clock.now = began + FAIL_WITHIN_MS
        return failed_at

    def evaluation_ms(self) -> float:
        began = time.perf_counter()
        evaluate(Invocation(self.app, None, seconds=60))
        return (time.perf_counter() - began) * 1000


def received(robot: Robot) -> Iterator[tuple[int, int, str]]:
    """Yield, for each message that names lost streams, its time, their number and the worst of
    them."""
    taken_at = [at for at, code in zip(robot.calls, robot.codes, strict=True) if not code]
    for at, text in zip(taken_at, robot.texts, strict=True):
        count, worst = _COUNT.search(text), _WORST.search(text)
        if count and worst:
            yield at, int(count[1]), worst[1]


def delays_s(robot: Robot, failed_at: Sequence[int]) -> Sequence[float]:
    """Return the time from each stream's failure to the message about it, in s, ascending."""
    rest, found = list(failed_at), list[float]()
    for at, count, _worst in received(robot):
        found += [(at - failed) / 1000 for failed in rest[:count]]
        rest = rest[count:]
    return sorted(found)


def figures(stage: Failing, robots: Sequence[Robot], streams: int, well: int) -> dict[str, Any]:
    empty_ms = stage.evaluation_ms()
    stage.runs_well(well)
    well_ms = stage.evaluation_ms()
    failed_at = stage.fails(streams)
    for _ in range(MINUTES):
        notify_webhooks.run_notify(stage.app)
        stage.clock.now += MINUTE_MS
    lost_ms = stage.evaluation_ms()
    delays = [delays_s(robot, sorted(failed_at.values())) for robot in robots]
    first = next(iter(failed_at))
    return {
        "streams": streams,
        "well": well,
        "lost": streams - min(map(len, delays)),
        "muted": sum(robot.muted for robot in robots),
        "messages": [len(robot.texts) for robot in robots],
        "most_in_a_minute": max(robot.most_in_a_minute() for robot in robots),
        "worst_named_first": all(next(received(robot))[2] == first for robot in robots),
        "p50_s": delays[0][len(delays[0]) // 2],
        "p99_s": delays[0][len(delays[0]) * 99 // 100],
        "max_s": max(delay[-1] for delay in delays),
        "evaluation_ms": {
            "empty": round(empty_ms, 1),
            "well": round(well_ms, 1),
            "lost": round(lost_ms, 1),
        },
    }


@contextmanager
def failing(folder: Path, url: str) -> Iterator[tuple[Failing, Sequence[Robot]]]:
    robots: Sequence[Robot] = (Dingtalk("d", "SEC1"), Feishu("f", "SEC2"), Wecom("w"))
    secrets = ("ding", "#SEC1"), ("fei", "#SEC2"), ("we", "")
    with RobotsInThread(robots, lambda: 0) as server:
        addresses = [
            f"{name}={server.address(robot)}{secret}"
            for robot, (name, secret) in zip(robots, secrets, strict=True)
        ]
        stage = Failing(folder, url, addresses)
        server.clock = stage.clock
        yield stage, robots
        stage.app.store.close()


@contextmanager
def new_store(engine: str) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the URL of an empty store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder}/records.db"
        if engine == "redis":
            url = stack.enter_context(Engine(folder / "engine", options=DURABLE)).url
        yield folder, url


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.notify", description=__doc__)
    options.add_argument("--streams", type=int, default=2_000, help="how many fail (2,000)")
    options.add_argument("--well", type=int, default=2_000, help="how many others run (2,000)")
    options.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    options.add_argument("--events", default="gap.*", help="what the webhook is sent (gap.*)")
    options.add_argument("--json", action="store_true", help="the figures as one line of JSON")
    return options


def main() -> int:
    asked = parser().parse_args()
    with new_store(asked.store) as place, failing(*place) as (stage, robots):
        found = {"store": asked.store, **figures(stage, robots, asked.streams, asked.well)}
    with new_store(asked.store) as place:
        by_webhook = notify_webhooks.figures(*place, asked.streams, asked.events)
    found["webhook"] = by_webhook
    print(json.dumps(found) if asked.json else "\n".join(f"{k}: {v}" for k, v in found.items()))
    return 1 if found["lost"] or found["muted"] or by_webhook["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())

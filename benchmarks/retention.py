"""Measures how a store grows over many days, by the development clock.

`python -m benchmarks.retention --json` lets a sample of streams come up once and never again, day
after day: a rule records a third of them, Live refuses the start of a third, and nobody wants the
rest. Other streams come up every day. The recorder and the stores are the real ones; nothing is
sent to Live.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.store_growth import AcceptingLive
from cli.local.redis_server import Engine
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import run
from shared.engine.recorder import HandlingOptions, Recorder
from shared.protocol import (
    Command,
    Event,
    FileLeft,
    Published,
    Reported,
    StreamKey,
    StreamSettings,
    TimePassed,
    Unpublished,
)
from shared.protocol.command_errors import NoRecordConfig, StreamNotLive
from shared.protocol.policy import OnPublish, Rule
from shared.store import Store
from shared.store.contract import DAY_MS, Filter
from shared.store.redis import RedisStore
from shared.store.sqlite import SqliteStore

NOON_MS = 1_763_800_000_000
SECOND_MS = 1_000
DOMAIN = "live.example.com"
RECORDED, REFUSED, IGNORED, DAILY = "recorded", "refused", "ignored", "daily"
RATE_PER_S = 1_000_000.0
LEASE_MS = 7_300
BATCH_ROWS = 100
OPTIONS = HandlingOptions(slot_wait_ms=1, may_query_live=True)


@dataclass
class VirtualClock:
    now: int = NOON_MS

    def __call__(self) -> int:
        return self.now


class QuietLive(AcceptingLive):
    """A Live that accepts starts, except those of one application, and answers StreamNotFound to
    every other command."""

    def send(self, command: Command, key: StreamKey) -> str:
        if command is not Command.START:
            raise StreamNotLive("StreamNotFound")
        if key.app == REFUSED:
            raise NoRecordConfig("CodeConfigNotFound")
        return super().send(command, key)


class Kept(NamedTuple):
    """For how long a stream and its account are kept, in ms."""

    keep: int
    ledger: int


def settings_of(key: StreamKey, kept: Kept) -> StreamSettings:
    records = OnPublish.IGNORE if key.app == IGNORED else OnPublish.RECORD
    return StreamSettings(rule=Rule(on_publish=records), keep=kept.keep, keep_ledger=kept.ledger)


def story(key: StreamKey, began: int) -> Iterator[tuple[int, Event]]:
    """Yield the events of a publish that lasts a minute, each with its time in ms after `began`."""
    ended = began + 60 * SECOND_MS
    yield 0, Published(began)
    if key.app in (RECORDED, DAILY):
        yield SECOND_MS, Reported("record_started", recording=True)
        file = f"record/{key.app}/{key.stream}/{began}.mp4"
        yield 61 * SECOND_MS, FileLeft(file, began, ended, 60 * SECOND_MS)
    yield 62 * SECOND_MS, Unpublished(ended)


class Days:
    """The days of one store."""

    def __init__(self, store: Store, clock: VirtualClock, kept: Kept) -> None:
        self.store, self.clock = store, clock
        self._numbers = itertools.count()
        settings = lambda key: settings_of(key, kept)  # noqa: E731 - in one line
        self._recorder = Recorder(settings, lambda: f"{next(self._numbers):016x}", LEASE_MS)
        self._effects = EffectHandler(
            store,
            QuietLive(),
            monotonic=lambda: self.clock.now / 1000,
            wait=lambda _seconds: None,
            report=lambda _event, _error: None,
        )

    def handle(self, key: StreamKey, event: Event) -> None:
        run(self._recorder.handle(key, event, OPTIONS), self._effects.perform)

    def plays(self, keys: Sequence[StreamKey]) -> None:
        """Let these streams come up and go, one after the other."""
        for key in keys:
            began = self.clock.now
            for after, event in story(key, began):
                self.passes_until(began + after)
                self.handle(key, event)

    def passes_until(self, end: int) -> None:
        """Let time pass until `end`, and handle each stream when it becomes due."""
        while (due_in := self.store.next_due()) is not None and self.clock.now + due_in <= end:
            self.clock.now += due_in
            for key in self.store.take_due(BATCH_ROWS, 2_000):
                self.handle(key, TimePassed())
        self.clock.now = max(self.clock.now, end)


@dataclass
class Grown:
    """How many records a store holds and how large it is, by day."""

    records: dict[int, int] = field(default_factory=dict)
    bytes: dict[int, int] = field(default_factory=dict)

    def note(self, day: int, store: Store, empty: int) -> None:
        everything = Filter()
        self.records[day] = len(store.listed(everything, after=None, limit=1_000_000))
        self.bytes[day] = used_by(store) - empty


def used_by(store: Store) -> int:
    size = store.size()
    return size.used if size else 0


def live(days: Days, how_many: int, one_time: int, daily: int, every: int) -> Grown:
    """Play that many days; `one_time` streams a day come up once, `daily` ones every day."""
    days.plays([StreamKey(DOMAIN, RECORDED, "warm-up")])  # every script is loaded by then
    grown, empty = Grown(), used_by(days.store)
    again = [StreamKey(DOMAIN, DAILY, f"room{number}") for number in range(daily)]
    for day in range(1, how_many + 1):
        names = (f"lesson-{day:04d}-{number:06d}" for number in range(one_time))
        apps = itertools.cycle((RECORDED, REFUSED, IGNORED))
        days.plays([*(StreamKey(DOMAIN, next(apps), name) for name in names), *again])
        days.passes_until(NOON_MS + day * DAY_MS)
        if day % every == 0:
            grown.note(day, days.store, empty)
    return grown


@contextmanager
def engines(folder: Path) -> Iterator[dict[str, tuple[Store, VirtualClock]]]:
    with ExitStack() as stack:
        clocks = VirtualClock(), VirtualClock()
        server = stack.enter_context(Engine(folder / "engine"))
        redis = RedisStore(server.url, stage="days", rate=RATE_PER_S, clock=clocks[1])
        redis.now()
        sqlite = SqliteStore(f"{folder}/days.db", rate=RATE_PER_S, clock=clocks[0])
        yield {"sqlite": (sqlite, clocks[0]), "redis": (redis, clocks[1])}
        sqlite.close()
        redis.close()


def main(argv: list[str]) -> int:
    asked = _parser().parse_args(argv)
    kept = Kept(asked.keep * DAY_MS, asked.keep_ledger * DAY_MS)
    figures: dict[str, object] = {
        "days": asked.days,
        "keep_days": asked.keep,
        "keep_ledger_days": asked.keep_ledger,
    }
    scenes = {"one_time": (asked.one_time, 0), "daily": (0, asked.daily)}
    for scene, (one_time, daily) in scenes.items():
        with tempfile.TemporaryDirectory(prefix="days-") as folder, engines(Path(folder)) as found:
            for name, (store, clock) in found.items():
                days = Days(store, clock, kept)
                grown = live(days, asked.days, one_time, daily, asked.every)
                figures[f"{scene}_{name}"] = {"records": grown.records, "bytes": grown.bytes}
                if not asked.json:
                    print(f"{scene} on {name}: {grown.records} records, {grown.bytes} bytes")
    print(json.dumps(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retention", description=__doc__)
    add = parser.add_argument
    add("--days", type=int, default=400)
    add("--keep", type=int, default=30, help="LIVE_RECORD_KEEP, in days (30)")
    add("--keep-ledger", type=int, default=400, help="LIVE_RECORD_KEEP_LEDGER, in days (400)")
    add("--one-time", type=int, default=20, help="streams a day that come up once (20)")
    add("--daily", type=int, default=5, help="streams that come up every day (5)")
    add("--every", type=int, default=20, help="days between two figures (20)")
    add("--json", action="store_true", help="the last line alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

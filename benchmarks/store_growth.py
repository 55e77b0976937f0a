"""Measures what a callback costs as the store grows.

`python -m benchmarks.store_growth --json` handles publish callbacks of streams that a rule records,
with the real recorder and the real stores. It does not call Live.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from redis import Redis

from cli.local.redis_server import DURABLE, Engine
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import CallbackSource, Undelivered, run
from shared.engine.recorder import HandlingOptions, Recorder
from shared.protocol import Command, Published, StreamKey, StreamSettings
from shared.protocol.policy import OnPublish, Rule
from shared.protocol.state.confirmation import Confirmation, ConfirmationState, StartSource
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session
from shared.store import Store
from shared.store.command_queue import row_of
from shared.store.contract import Save
from shared.store.record_rows import put
from shared.store.redis import RedisStore
from shared.store.save_request import encode_save
from shared.store.scripts import SAVE_OR_CLAIM
from shared.store.sqlite import SqliteStore

NOON_MS = 1_763_800_000_000
RULE = StreamSettings(rule=Rule(on_publish=OnPublish.RECORD))
HOUR_MS = 3_600_000
BATCH_ROWS = 1000
RATE_PER_S = 1_000_000.0
"""A rate so high that every callback gets its slot, so that all do the same work."""
ROUNDS = 20
"""The two sizes are measured in turn, so that other load on the machine affects both."""


def settled(number: int) -> StreamRecord:
    """Return the record of a stream that is being recorded and is due in some hours."""
    key = StreamKey("live.example.com", "app", f"old{number:07d}")
    until = NOON_MS * 2 + number % HOUR_MS
    return StreamRecord(
        key,
        Intent(generation=1, wanted=True, until=until, session=1, claimed=True),
        session=Session(1, NOON_MS, time=NOON_MS),
        confirmation=Confirmation(1, NOON_MS, StartSource.ACCEPTED, ConfirmationState.CONFIRMED),
    )


class CountingStore:
    """Counts the calls to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self.asked += 1
        method: Callable[..., Any] = getattr(self._store, name)
        return method


class AcceptingLive:
    """A Live that accepts every command."""

    def prepare(self) -> None:
        """Do nothing."""

    def send(self, _command: Command, _key: StreamKey) -> str:
        return "9F8E7D6C-5B4A-4392-8170-A1B2C3D4E5F6"  # as long as those of Live

    def find(self, _key: StreamKey) -> int | None:
        return None

    def online(self, _domain: str) -> Sequence[tuple[StreamKey, int]]:
        return ()

    def undelivered(
        self, _source: CallbackSource, _since: int, _until: int, _pace: Callable[[], None]
    ) -> Sequence[Undelivered]:
        return ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """Round trips and microseconds of callbacks on one store."""

    store: Store
    trips: list[int]
    took: list[float]

    def measure(self, callbacks: int) -> None:
        numbers = itertools.count()
        counting_store = CountingStore(self.store)
        effect_handler = EffectHandler(
            counting_store,
            AcceptingLive(),
            monotonic=time.monotonic,
            wait=lambda _seconds: None,
            report=lambda _event, _error: None,
        )
        recorder = Recorder(lambda _key: RULE, lambda: f"f{next(numbers)}", 7300)
        for _ in range(callbacks):
            key = StreamKey("live.example.com", "app", f"new{time.monotonic_ns()}")
            before, began = counting_store.asked, time.perf_counter()
            run(
                recorder.handle(key, Published(NOON_MS), HandlingOptions(slot_wait_ms=1)),
                effect_handler.perform,
            )
            self.took.append((time.perf_counter() - began) * 1e6)
            self.trips.append(counting_store.asked - before)

    def figures(self) -> dict[str, float]:
        return {
            "round_trips": statistics.fmean(self.trips),
            "median_us": round(statistics.median(self.took)),
        }


def fill_sqlite(store: SqliteStore, numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, BATCH_ROWS):
        with store._writing() as db:  # noqa: SLF001 - one transaction for many
            for number in range(start, min(start + BATCH_ROWS, numbers.stop)):
                save = Save(0, settled(number))
                put(db, save.if_no_slot, 1, row_of(save.if_no_slot, save.quota, "", NOON_MS))


def fill_redis(store: RedisStore, client: Redis, numbers: range) -> None:
    """Fill the store in memory, then switch on its append-only file, and wait until that is
    written."""
    store.save_or_claim(Save(0, settled(numbers.stop)))  # loads the script for evalsha
    for start in range(numbers.start, numbers.stop, BATCH_ROWS):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + BATCH_ROWS, numbers.stop)):
            save = Save(0, settled(number))
            keys = store.keys_of(save.key)
            before = store._of_preludes(SAVE_OR_CLAIM, 20)  # noqa: SLF001 - as the store runs it
            asked = ("+0", *before, encode_save(save, 20))
            pipe.evalsha(SAVE_OR_CLAIM.digest, len(keys), *keys, *asked)
        pipe.execute()
    client.config_set("appendonly", "yes")
    while client.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)


Stores = dict[str, list[Measurement]]
"""By engine, the measurement with few streams and the one with many."""


@contextmanager
def stores(folder: Path, sizes: Sequence[int]) -> Iterator[Stores]:
    wall = lambda: time.time_ns() // 1_000_000  # noqa: E731 - a clock in short
    with ExitStack() as stack:
        found: Stores = {"sqlite": [], "redis": []}
        for size in sizes:
            sqlite = SqliteStore(f"{folder}/{size}.db", rate=RATE_PER_S, clock=wall)
            fill_sqlite(sqlite, range(size))
            options = {"appendfsync": DURABLE["appendfsync"]}
            engine = stack.enter_context(Engine(folder / str(size), options=options))
            redis = RedisStore(engine.url, stage="growth", rate=RATE_PER_S)
            with Redis.from_url(engine.url) as client:
                fill_redis(redis, client, range(size))
            found["sqlite"].append(Measurement(sqlite, [], []))
            found["redis"].append(Measurement(redis, [], []))
        yield found
        for measured in chain.from_iterable(found.values()):
            measured.store.close()


class Measured(Protocol):
    """A measurement of one store; `figures` has the median among others."""

    def measure(self, times: int, /) -> None: ...
    def figures(self) -> dict[str, float]: ...


def compare(
    arguments: argparse.Namespace,
    times: int,
    median: str,
    measured_over: Callable[[Measurement], Measured],
) -> None:
    """Measure each engine with few streams and with many, and print the figures with the ratio of
    their medians. `measured_over` returns the Measured of a filled store, which measures `times`
    times."""
    sizes = (arguments.few, arguments.many)
    figures: dict[str, object] = {"few": arguments.few, "many": arguments.many}
    with tempfile.TemporaryDirectory(prefix="growth-") as name, stores(Path(name), sizes) as found:
        for kind, filled in found.items():
            both = list(map(measured_over, filled))
            for _ in range(ROUNDS):
                for measured in both:
                    measured.measure(times // ROUNDS)
            few, many = (measured.figures() for measured in both)
            figures |= {f"{kind}_{arguments.few}": few, f"{kind}_{arguments.many}": many}
            figures[f"ratio_{kind}"] = round(many[median] / few[median], 3)
    if not arguments.json:
        for label, value in figures.items():
            print(f"{label:>16}  {value}")
    print(json.dumps(figures))


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    compare(arguments, arguments.callbacks, "median_us", lambda measurement: measurement)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_growth", description=__doc__)
    add = parser.add_argument
    add("--few", type=int, default=1_000)
    add("--many", type=int, default=1_000_000)
    add("--callbacks", type=int, default=500)
    add("--json", action="store_true", help="the last line alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

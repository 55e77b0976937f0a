"""Runs a sample of the seeds on the deployed engines; a sample, since each effect is a round
trip."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.local.redis_server import Engine, redis, valkey
from shared.store import open_store
from tests.simulation.judge import RATE
from tests.simulation.plan import NOON, draw
from tests.simulation.simulation import Simulation
from tests.simulation.virtual_clock import Clock

EVERY = 50
"""One seed in so many."""
Url = Callable[[int], str]


def sample(seeds: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """Yield each engine, the number of seeds on it, and how many of them broke a promise."""
    chosen = list(seeds)[::EVERY]
    with tempfile.TemporaryDirectory() as folder:
        yield "sqlite", *_run(chosen, lambda seed: f"sqlite:///{folder}/{seed}.db")
        with _server(Path(folder)) as url:
            if url:
                yield "redis", *_run(chosen, lambda seed: f"{url}?stage=seed{seed}")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Yield the URL of Redis or, if it is not installed, of Valkey; "" if neither is."""
    program = redis() or valkey()
    if program is None:
        yield ""
        return
    engine = Engine(folder / "engine", program=program)
    engine.start()
    try:
        yield engine.url
    finally:
        engine.stop()


def _run(seeds: Sequence[int], url: Url) -> tuple[int, int]:
    broken = 0
    for seed in seeds:
        clock = Clock(NOON)
        store = open_store(url(seed), rate=RATE, clock=clock)
        result = Simulation(draw(seed), store=store, clock=clock).run()
        store.close()
        if result.broken is not None:
            broken += 1
            print(f"seed {seed} on {url(seed)}: {result.broken}", file=sys.stderr)
    return len(seeds), broken

"""Measures a cold start: a new process sends its first command over TLS by the real handler.

`python -m benchmarks.cold_start --json` compares it with the official SDK, imported as documented,
and with `requests` alone; both only send the command. The programs run in turn. The figures are
medians of the wall time from the start of the process to the answer that it gets.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.cold_start.quota import Join, drop_cache, share_of_a_cpu
from benchmarks.packaged import (
    REDIS,
    SQLITE,
    BenchEnvironment,
    bench_environment,
    machine,
    print_figures,
)
from cli.errors import Failure

HERE = Path(__file__).parent
ROUNDS, QUOTA_ROUNDS, COLD_ROUNDS = 15, 5, 3
CPU_SHARE = 0.35
"""The share of a vCPU of a function of 512 MB (docs/platform/function-compute.md §5)."""


@dataclass(frozen=True, slots=True)
class Sample:
    ms: float
    cpu_ms: float
    rss_mb: float


Take = Callable[[Join | None], Sample]


class Bench:
    """Takes the samples; each method runs one program once."""

    def __init__(self, environment: BenchEnvironment) -> None:
        self.environment = environment
        self._streams = count()

    def ours(self, join: Join | None = None, *, store: str = SQLITE) -> Sample:
        stream = f"stream{next(self._streams)}"
        return self._run("ours.py", self.environment.trees.ours, stream, join=join, store=store)

    def ours_redis(self, join: Join | None = None) -> Sample:
        return self.ours(join, store=REDIS)

    def stock(self, join: Join | None = None) -> Sample:
        return self._run("stock.py", self.environment.trees.stock, join=join)

    def uncompiled(self, join: Join | None = None) -> Sample:
        return self._run("stock.py", self.environment.trees.uncompiled, join=join)

    def floor(self, join: Join | None = None) -> Sample:
        return self._run("floor.py", self.environment.trees.stock, join=join)

    def _run(
        self, program: str, code: Path, *more: str, join: Join | None, store: str = SQLITE
    ) -> Sample:
        command = [
            str(self.environment.trees.python),
            "-W",
            "ignore",
            str(HERE / program),
            str(code),
        ]
        began = time.perf_counter()
        with subprocess.Popen(
            [*command, *more],
            env=self.environment.environment(store),
            stdout=subprocess.PIPE,
            preexec_fn=join,  # noqa: PLW1509 - this program has one thread
            text=True,
        ) as process:
            lines = process.stdout or ()  # the handler logs to stdout, too
            line = next((line for line in lines if "rss_mb" in line), "")
            ms = (time.perf_counter() - began) * 1000
        if not line:
            raise Failure(f"{program} failed: see above")
        usage = json.loads(line)
        return Sample(ms, usage["cpu_ms"], usage["rss_mb"])


def in_turn(takes: Sequence[Take], rounds: int, join: Join | None = None) -> list[Sample]:
    """Return the median sample of each program, without the first round, which warms the page
    cache."""
    rows = [[take(join) for take in takes] for _ in range(rounds + 1)][1:]
    return [_median(samples) for samples in zip(*rows, strict=True)]


def cold(bench: Bench, take: Take, join: Join | None) -> tuple[Sample, str]:
    samples, dropped_by = [], ""
    trees = bench.environment.trees
    for _ in range(COLD_ROUNDS):
        dropped_by = drop_cache([trees.ours, trees.uncompiled, trees.python.parents[1]])
        samples.append(take(join))
    return _median(samples), dropped_by


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(
        median(sample.ms for sample in samples),
        median(sample.cpu_ms for sample in samples),
        median(sample.rss_mb for sample in samples),
    )


def warm_cache(bench: Bench, rounds: int) -> dict[str, float]:
    takes = (bench.ours, bench.ours_redis, bench.stock, bench.floor)
    ours, redis, stock, floor = in_turn(takes, rounds)
    return {
        **_figures("", ours, stock, floor),
        **_figures("_redis", redis, stock, floor),
        "ours_cpu_ms": round(ours.cpu_ms, 1),
        "stock_cpu_ms": round(stock.cpu_ms, 1),
        "floor_cpu_ms": round(floor.cpu_ms, 1),
    }


def _figures(suffix: str, ours: Sample, stock: Sample, floor: Sample) -> dict[str, float]:
    figures = {
        "ours_ms": round(ours.ms, 1),
        "stock_ms": round(stock.ms, 1),
        "floor_ms": round(floor.ms, 1),
        "ratio_to_stock": round(ours.ms / stock.ms, 3),
        "ratio_to_floor": round(ours.ms / floor.ms, 3),
        "rss_mb": ours.rss_mb,
        "stock_rss_mb": stock.rss_mb,
    }
    return {f"{name}{suffix}": value for name, value in figures.items()}


def under_quota(bench: Bench) -> dict[str, object]:
    """Return the figures with a share of a CPU; they are null if the machine allows no quota."""
    names = ("ours", "ours_redis", "stock", "floor")
    with share_of_a_cpu(CPU_SHARE) as join:
        if join is None:
            missing = {f"quota_{name}_ms": None for name in names}
            return {**missing, "quota_cold_ours_ms": None, "quota_cold_stock_uncompiled_ms": None}
        takes = (bench.ours, bench.ours_redis, bench.stock, bench.floor)
        samples = in_turn(takes, QUOTA_ROUNDS, join)
        ours, dropped_by = cold(bench, bench.ours, join)
        uncompiled, _ = cold(bench, bench.uncompiled, join)
    return {
        **{
            f"quota_{name}_ms": round(sample.ms)
            for name, sample in zip(names, samples, strict=True)
        },
        "quota_cold_ours_ms": round(ours.ms),
        "quota_cold_stock_uncompiled_ms": round(uncompiled.ms),
        "cache_dropped_by": dropped_by,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one last line of JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples of each")
    parser.add_argument("--no-quota", action="store_true", help="no samples at 0.35 of a CPU")
    parser.add_argument("--runtime", help="python3.10 or python3.12; else the first at hand")
    arguments = parser.parse_args()
    with bench_environment(arguments.runtime) as environment:
        bench = Bench(environment)
        figures: dict[str, object] = {**warm_cache(bench, arguments.rounds)}
        if not arguments.no_quota:
            figures |= under_quota(bench)
        print_figures(figures, machine(environment.trees.python), as_json=arguments.json)


if __name__ == "__main__":
    main()

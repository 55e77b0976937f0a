"""Measures how long Live waits for the answer to a callback, compared with an empty handler.

`python -m benchmarks.callback --json` sends callbacks of distinct streams at a fixed rate to warm
instances. A latency is measured from the time at which the callback was due, so that it includes
the delay that a stall causes. Of three runs, the one with the median p99 gives the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import quantiles

import aiohttp

from cli.local.stack import running
from cli.paths import ROOT
from emulator.shutdown import OPTION
from shared.inbound.live_callbacks import sign

RATE_PER_S, DURATION_S, RUNS = 100, 5, 3
WORKERS = 8
INGEST, KEY = "push.example.com", "dev-stream-key-0000"
NOOP = Path(__file__).with_name("noop")

RequestOf = Callable[[int], tuple[str, dict[str, str], dict[str, str]]]
"""Returns the nth callback: its URL, query and headers."""


@dataclass(frozen=True, slots=True)
class Run:
    p50: float
    p99: float


def publish_request(address: str) -> RequestOf:
    def request_of(number: int) -> tuple[str, dict[str, str], dict[str, str]]:
        now = str(int(time.time()))
        query = {"action": "publish", "app": INGEST, "appname": "app", "time": now}
        signature = sign(INGEST, now, KEY)
        headers = {"ALI-LIVE-TIMESTAMP": now, "ALI-LIVE-SIGNATURE": signature}
        url = f"{address}/callbacks/stream/dev-path"
        return url, {**query, "id": f"stream{number}"}, headers

    return request_of


def noop_request(address: str) -> RequestOf:
    return lambda number: (f"{address}/_fc/http/noop/", {"id": f"stream{number}"}, {})


async def send_once(http: aiohttp.ClientSession, request_of: RequestOf, number: int) -> None:
    url, query, headers = request_of(number)
    async with http.get(url, params=query, headers=headers) as answer:
        await answer.read()
        answer.raise_for_status()


async def at_rate(
    http: aiohttp.ClientSession, request_of: RequestOf, numbers: Iterator[int]
) -> Run:
    began = time.monotonic()

    async def send_when_due(nth: int) -> float:
        due = began + nth / RATE_PER_S
        await asyncio.sleep(max(due - time.monotonic(), 0))
        await send_once(http, request_of, next(numbers))
        return (time.monotonic() - due) * 1000

    latencies = await asyncio.gather(
        *(send_when_due(nth) for nth in range(RATE_PER_S * DURATION_S))
    )
    cuts = quantiles(latencies, n=100, method="inclusive")
    return Run(cuts[49], cuts[98])


async def flat_out(
    http: aiohttp.ClientSession, request_of: RequestOf, numbers: Iterator[int]
) -> int:
    """Return the number of answers in the best second, with enough workers for all instances."""
    seconds: dict[int, int] = {}
    ends = time.monotonic() + 3

    async def worker() -> None:
        while time.monotonic() < ends:
            await send_once(http, request_of, next(numbers))
            second = int(time.monotonic())
            seconds[second] = seconds.get(second, 0) + 1

    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return max(seconds.values())


async def measure(request_of: RequestOf) -> tuple[Run, int]:
    numbers = count()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        await flat_out(http, request_of, numbers)  # warms as many instances as the runs need
        runs = [await at_rate(http, request_of, numbers) for _ in range(RUNS)]
        best = await flat_out(http, request_of, numbers)
    return sorted(runs, key=lambda run: run.p99)[RUNS // 2], best


@contextmanager
def noop(folder: Path) -> Iterator[str]:
    """Run a Function Compute emulator with a handler that does nothing; yield its address."""
    template = folder / "s.yaml"
    template.write_text(json.dumps({"edition": "3.0.0", "resources": {"noop": _resource()}}))
    command = [sys.executable, "-m", "emulator.fc", "--template", str(template), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--json", OPTION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield json.loads(line)["address"]
    finally:
        process.terminate()
        process.communicate()


def _resource() -> dict[str, object]:
    trigger = {"authType": "anonymous", "methods": ["GET"]}
    props = {
        "functionName": "noop",
        "region": "cn-shanghai",
        "runtime": "python3.10",
        "code": str(NOOP),
        "handler": "index.handler",
        "timeout": 5,
        "triggers": [{"triggerName": "http", "triggerType": "http", "triggerConfig": trigger}],
    }
    return {"component": "fc3", "props": props}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.callback", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(prefix="live-record-") as folder:
        with noop(Path(folder)) as address:
            theirs, _ = asyncio.run(measure(noop_request(address)))
        with running(Path(folder) / "stage") as stack:
            ours, best = asyncio.run(measure(publish_request(stack.fc)))
    figures = {
        "p50_ms": round(ours.p50, 1),
        "p99_ms": round(ours.p99, 1),
        "noop_p99_ms": round(theirs.p99, 1),
        "per_second_max": best,
    }
    print(json.dumps(figures) if as_json else "\n".join(f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()

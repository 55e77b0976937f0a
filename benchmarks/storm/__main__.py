"""Measures how fast and how completely a burst of streams is recorded, against a naive loop.

`python -m benchmarks.storm --streams 2000 --instances 4 --store redis --json`. It exits with 1 if a
stream is not recorded, a file of `--copies` is not copied, or the receiver of `--webhook` gets no
event of a stream.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.storm import figures
from benchmarks.storm.chaos import Chaos
from benchmarks.storm.copies import Copies, copies
from benchmarks.storm.events import Events, events
from benchmarks.storm.machine import WakeUpLateness
from benchmarks.storm.naive import Naive
from benchmarks.storm.publishers import publish
from benchmarks.storm.stage import Options, Stage, running_stage
from cli.local.tether import Tether
from cli.paths import ROOT

HEALING_S = 300.0
"""A stream is lost if it is not recorded so many seconds after the ideal time."""


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    options = Options(
        arguments.streams, arguments.instances, arguments.store, arguments.rate,
        arguments.publish_rate, arguments.limiter, arguments.excess, arguments.thief,
        arguments.chaos,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="storm-") as name, ExitStack() as stack:
        beside = [stack.enter_context(one) for one in _beside(arguments)]
        policy = "".join(one.policy for one in beside)
        stage = stack.enter_context(running_stage(Path(name), options, policy))
        with ExitStack() as going_on:
            for one in beside:
                going_on.enter_context(one.going_on(stage, Path(name)))
            result = _storm(stage, options, arguments.seed)
        for one in beside:
            result |= one.figures()
        if arguments.wire:
            arguments.wire.write_text(json.dumps(stage.live.calls()))
        if not arguments.no_naive and not options.chaos:
            result["naive"] = _naive(stage, options)
    if not arguments.json:
        for name, value in result.items():
            print(f"{name:>22}  {value}")
    print(json.dumps(result))
    are_copied = result.get("copied") == result.get("copies")
    return 0 if result["lost"] == 0 and are_copied and not result.get("events_lost") else 1


def _beside(arguments: argparse.Namespace) -> Iterator[AbstractContextManager[Copies | Events]]:
    """Yield what runs during the storm: copies, events."""
    if arguments.copies:
        yield copies(arguments.copies)
    if arguments.webhook:
        yield events(arguments.streams)


def _storm(stage: Stage, options: Options, seed: int) -> dict[str, object]:
    chaos = Chaos(stage, options.streams / options.rate / 2, seed) if options.chaos else None
    encoders = threading.Thread(
        target=publish, args=(stage.stack.live, options.streams, options.per_second)
    )
    empty = stage.store_bytes()
    with _thief(stage, options.thief), WakeUpLateness() as machine:
        if chaos:
            chaos.start()
        encoders.start()
        encoders.join()
        figures.wait_for(stage.live, options.streams, options.streams / options.rate + HEALING_S)
        if chaos:
            chaos.end()
    time.sleep(1.0)  # so that commands on their way are counted, too
    result = {
        **figures.of_wire(stage.live, options),
        **figures.of_callbacks(stage),
        "limiter": options.limiter,
        "excess": options.excess,
        "thief": options.thief,
        "store": options.store,
        "store_bytes_per_stream": (stage.store_bytes() - empty) // options.streams,
        "machine_late_ms": round(machine.worst_s * 1000),
    }
    if chaos:
        result |= {
            "kills": chaos.kills,
            "store_restarts": chaos.restarts,
            "duplicates_unexplained": figures.unexplained(stage),
        }
    return result


def _naive(stage: Stage, options: Options) -> dict[str, object]:
    """Run the same storm on the same emulator with the naive loop, without callbacks."""
    stage.live.reset()
    stage.live.notify(stream_url="", record_url="", on_demand_url="")
    stage.live.switch(limiter=options.limiter, throttle_mode=options.excess)
    naive = Naive(stage.stack.live)
    encoders = threading.Thread(
        target=publish, args=(stage.stack.live, options.streams, options.per_second)
    )
    encoders.start()
    with _thief(stage, options.thief):
        naive.storm(options.streams, options.per_second)
    encoders.join()
    return {**figures.of_wire(stage.live, options), "gave_up": naive.gave_up}


@contextmanager
def _thief(stage: Stage, per_second: float) -> Iterator[None]:
    if not per_second:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.storm.publishers", stage.stack.live]
    thief = subprocess.Popen(
        [*command, str(per_second)], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    )
    tether = Tether(thief)
    try:
        if thief.stdout:
            thief.stdout.readline()
        yield
    finally:
        tether.release()
        thief.kill()
        thief.communicate()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    add = options.add_argument
    add("--streams", type=int, default=2000)
    add("--instances", type=int, default=4, help="of stream_events, warmed")
    add("--store", choices=["sqlite", "redis"], default="redis")
    add("--rate", type=float, default=50, help="rate limit, commands a second")
    add("--publish-rate", type=float, default=150, help="streams a second that come up")
    add("--limiter", choices=["bucket", "sliding_second"], default="bucket")
    add("--excess", choices=["drop", "refuse"], default="drop", help="what exceeds the rate")
    add("--thief", type=float, default=0, help="commands a second of another process")
    add("--chaos", action="store_true", help="kills, a restart of the store, lost answers")
    add("--copies", type=int, default=0, help="small files to copy to another store meanwhile")
    add("--webhook", action="store_true", help="a receiver of every event meanwhile")
    add("--no-naive", action="store_true", help="leave out the naive loop")
    add("--wire", type=Path, metavar="FILE", help="keep what came over the wire, as JSON")
    add("--seed", type=int, default=1)
    add("--json", action="store_true", help="the last line alone")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

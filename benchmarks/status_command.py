"""Measures what `live-record status` takes beyond a Python that does nothing.

`python -m benchmarks.status_command --json` starts the local stack, and runs both commands in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import show
from cli.local.stack import TOKEN, running

STREAM = "live.example.com/app/room1"
NOTHING = (sys.executable, "-c", "pass")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.status_command")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        stack.control("publish", domain="push.example.com", app="app", stream="room1", wait=True)
        options = ("--url", stack.fc, "--token", TOKEN)
        status = (sys.executable, "-m", "cli.main", "status", STREAM, *options)
        took = [(_took(status), _took(NOTHING)) for _ in range(arguments.runs + 1)][1:]
    ours, nothing = (_best(column) for column in zip(*took, strict=True))
    row = {
        "more_ms": _ms(ours[0] - nothing[0]),
        "more_cpu_ms": _ms(ours[1] - nothing[1]),
        "status_ms": _ms(ours[0]),
        "pass_ms": _ms(nothing[0]),
    }
    show({**row, "runs": arguments.runs}, as_json=arguments.json)
    return 0


Took = tuple[float, float]
"""The s that a command took: of wall time, and of a processor."""


def _took(command: tuple[str, ...]) -> Took:
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, ended = os.times(), time.perf_counter()
    user = after.children_user - before.children_user
    return ended - began, user + after.children_system - before.children_system


def _best(runs: Sequence[Took]) -> Took:
    """Return the smallest value of each figure, which other programs have disturbed least."""
    return min(took for took, _cpu in runs), min(cpu for _took, cpu in runs)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

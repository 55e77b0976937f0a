"""Runs the benchmarks in RUNS once, small enough for a laptop, and prints the figures as JSON.

`make bench` calls this module. Each benchmark runs in a process of its own. All others are run by
name.
"""

from __future__ import annotations

import sys

from cli.local.tether import run_tethered

RUNS = (
    ("package_size", "--json"),
    ("cold_start", "--json"),
    ("warm_call", "--json"),
    ("callback", "--json"),
    ("store_growth", "--many", "100000", "--json"),
    ("notify", "--streams", "500", "--well", "500", "--json"),
    ("media", "--streams", "20", "--seconds", "5", "--json"),
    ("storm", "--streams", "500", "--instances", "4", "--store", "redis", "--json"),
)


def main() -> int:
    codes = []
    for name, *options in RUNS:
        print(f"benchmarks.{name} {' '.join(options)}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        codes.append(run_tethered(command).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())

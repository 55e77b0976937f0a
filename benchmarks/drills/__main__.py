"""Breaks the servers behind a running stage, and measures how it recovers.

`python -m benchmarks.drills --json` runs every drill; `--only NAME` runs one. For each drill it
prints how many seconds the stage took to recover once the store could work again, how many stops
were lost although they had been answered with 2xx, and after how many seconds health named the
cause. It exits with 1 if a drill does not meet its bounds (benchmarks/drills/result.py).
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.rows import show

DRILLS = (
    "cluster",
    "full",
    "unreadable_record",
    "unstorable_event",
    "emptied",
    "stepped_clock",
    "tls_cluster",
    "replica",
    "acl_user",
)
"""The modules of this package that are drills, in the order in which they run."""


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    passed = [_show(_run(name), as_json=arguments.json) for name in arguments.only or DRILLS]
    return 0 if all(passed) else 1


def _run(name: str) -> Result:
    drill = importlib.import_module(f"benchmarks.drills.{name}")
    with tempfile.TemporaryDirectory(prefix=f"drill-{name}-") as folder:
        result: Result = drill.run(Path(folder))
    return result


def _show(result: Result, *, as_json: bool) -> bool:
    show(result.shown(), as_json=as_json)
    return result.passed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=__doc__)
    parser.add_argument("--only", action="append", choices=DRILLS, help="run this drill alone")
    parser.add_argument("--json", action="store_true", help="one JSON document a drill")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

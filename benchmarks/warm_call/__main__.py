"""Measures the CPU that a start costs a warm instance: in the handler, and in the official client.

`python -m benchmarks.warm_call --json` runs the packaged archive on SQLite and on Redis, over TLS,
against a Live that answers at once. `ours_over_sdk` is the CPU outside the SDK, the store included,
divided by that of the SDK.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.packaged import REDIS, SQLITE, bench_environment, machine, print_figures

PROGRAM = Path(__file__).with_name("ours.py")
STARTS = 120


def figures(measured: dict[str, float], suffix: str) -> dict[str, float]:
    handler, sdk, store = measured["handler_us"], measured["sdk_us"], measured["store_us"]
    return {
        f"handler_us{suffix}": handler,
        f"sdk_us{suffix}": sdk,
        f"store_us{suffix}": store,
        f"rest_us{suffix}": round(handler - sdk - store),
        f"ours_over_sdk{suffix}": round((handler - sdk) / sdk, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_call", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one last line of JSON")
    parser.add_argument("--starts", type=int, default=STARTS, help="of each store")
    parser.add_argument("--runtime", help="python3.10 or python3.12; else the first at hand")
    arguments = parser.parse_args()
    figures_of_all: dict[str, object] = {}
    with bench_environment(arguments.runtime) as environment:
        for store, suffix in ((SQLITE, ""), (REDIS, "_redis")):
            code = str(environment.trees.ours)
            figures_of_all |= figures(
                environment.run(PROGRAM, code, str(arguments.starts), store=store), suffix
            )
        print_figures(figures_of_all, machine(environment.trees.python), as_json=arguments.json)


if __name__ == "__main__":
    main()

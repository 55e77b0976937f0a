"""Counts the CPU instructions of cold starts: of live-record, the official SDK, and `requests`.

`python -m benchmarks.cold_start.instructions --json` needs valgrind. The count is that of a process
from its start to its end, without the kernel's part, and is the same on a machine that is busy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.instructions import instructions
from benchmarks.packaged import (
    REDIS,
    SQLITE,
    BenchEnvironment,
    bench_environment,
    machine,
    print_figures,
)

HERE = Path(__file__).parent


def of_program(environment: BenchEnvironment, name: str, store: str = SQLITE) -> int:
    """Return the instructions of the second run; the first one creates what the store keeps."""
    trees = environment.trees
    code = trees.ours if name == "ours" else trees.stock
    command = [str(trees.python), "-W", "ignore", str(HERE / f"{name}.py"), str(code)]
    runs = [
        instructions([*command, f"stream{run}"], environment.environment(store)) for run in (1, 2)
    ]
    return runs[-1]


def figures(environment: BenchEnvironment) -> dict[str, float]:
    ours, redis = of_program(environment, "ours"), of_program(environment, "ours", REDIS)
    stock, floor = of_program(environment, "stock"), of_program(environment, "floor")
    counted = {"ours": ours, "ours_redis": redis, "stock": stock, "floor": floor}
    return {
        **{f"{name}_million": round(number / 1e6, 1) for name, number in counted.items()},
        "instructions_to_stock": round(ours / stock, 3),
        "instructions_to_floor": round(ours / floor, 3),
        "instructions_to_stock_redis": round(redis / stock, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start.instructions", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="one last line of JSON")
    parser.add_argument("--runtime", help="python3.10 or python3.12; else the first at hand")
    arguments = parser.parse_args()
    with bench_environment(arguments.runtime) as environment:
        counted = figures(environment)
        print_figures(counted, machine(environment.trees.python), as_json=arguments.json)


if __name__ == "__main__":
    main()

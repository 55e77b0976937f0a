"""`python -m tests.fuzz`: fuzz each edge for some minutes; what breaks a promise is saved."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.fuzz import corpus
from tests.fuzz.edges import EDGES
from tests.fuzz.fuzzing import run_for


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for each edge")
    parser.add_argument("--edge", choices=EDGES, action="append", help="all, if none is named")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    broken = 0
    for edge in options.edge or EDGES:
        outcome = run_for(edge, options.minutes * 60, options.seed)
        spent = f"{outcome.wall_s / 60:.1f} min, {outcome.cpu_s:.0f} s of CPU"
        print(f"{edge}: {outcome.cases} cases in {spent}", flush=True)
        if (found := outcome.found) is not None:
            broken += 1
            file = corpus.save(edge, found.case)
            error = f"{type(found.error).__name__}: {found.error}"[:2_000]
            print(f"{edge}: {error}\n  saved as {file}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

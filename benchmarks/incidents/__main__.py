"""Breaks a stage with 40 streams in many ways, and checks the truth of its answers.

`python -m benchmarks.incidents --json` runs every incident, nine side by side, in under 12 minutes;
`--only NAME` runs one. It prints for each how often an answer was false, how often one was silent,
and after how many seconds the last stream was recorded again. It exits with 1 if an answer was
false or silent, or if a stream was late and no answer named its next attempt.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from benchmarks.incidents.catalogue import INCIDENTS, Incident
from benchmarks.incidents.run import Outcome, run
from benchmarks.rows import show

SIDE_BY_SIDE = 9
"""Each needs 10 s of a processor, and waits for the rest of its one to eight minutes."""
_SETTING_UP = threading.Lock()
"""Held while a stage is set up, since one stage alone then takes all processors for some
seconds."""


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    chosen = [one for one in INCIDENTS if not arguments.only or one.name in arguments.only]
    began, outcomes = time.monotonic(), []
    longest_first = sorted(chosen, key=lambda one: -max(one.moments))
    with ThreadPoolExecutor(arguments.side_by_side) as pool:
        futures = [pool.submit(_run, incident) for incident in longest_first]
        for future in as_completed(futures):
            outcomes.append(future.result())
            show(outcomes[-1].shown(), as_json=arguments.json)
    show(_summary(outcomes, time.monotonic() - began), as_json=arguments.json)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _run(incident: Incident) -> Outcome:
    try:
        return run(incident, turn=_SETTING_UP)
    except Exception as error:  # noqa: BLE001 - the others go on
        return Outcome(incident.name, false=[f"the incident did not run: {error!r}"])


def _summary(outcomes: list[Outcome], took_s: float) -> dict[str, object]:
    recovered = [one.recovered_s for one in outcomes if one.recovered_s is not None]
    return {
        "incidents": len(outcomes),
        "rounds": sum(one.rounds for one in outcomes),
        "false": sum(len(one.false) for one in outcomes),
        "silent": sum(len(one.silent) for one in outcomes),
        "slowest_recovery_s": max(recovered, default=None),
        "took_s": round(took_s),
        "passed": all(one.passed for one in outcomes),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incidents", description=__doc__)
    names = [incident.name for incident in INCIDENTS]
    parser.add_argument("--only", action="append", choices=names, help="run this incident alone")
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE, help="stacks at a time")
    parser.add_argument("--json", action="store_true", help="one JSON document an incident")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

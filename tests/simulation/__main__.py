"""Plays bad days in virtual time, each drawn from its seed, and watches every promise of
docs/reliability.md."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

from tests.simulation.chances import RATES
from tests.simulation.engines import sample
from tests.simulation.plan import Do, Kind, Plan, draw
from tests.simulation.run_log import written
from tests.simulation.shrink import Shrinker
from tests.simulation.simulation import Result, Simulation

DAYS_KEPT = 10
"""How many days stay in memory, a megabyte each."""
SHRUNK = 3
"""How many failing seeds are made shorter; each takes seconds."""


def main() -> int:
    asked = _arguments()
    seeds = range(asked.seed, asked.seed + asked.seeds)
    report = Report()
    gc.disable()  # a tenth of the time: nearly all that a day makes lives as long as the day
    for seed in seeds:
        report.add(draw(seed, patterns=asked.patterns), story=asked.story)
        if seed % DAYS_KEPT == 0:
            gc.collect()
    for engine, count, broken in sample(seeds) if asked.engines else ():
        report.engines[engine] = count
        report.failed += broken
    answer = report.figures()
    print(json.dumps(answer) if asked.json else _summary(answer))
    return 1 if report.failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (1)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--story", action="store_true", help="tell what happens in each")
    parser.add_argument("--json", action="store_true", help="the figures as one line of JSON")
    parser.add_argument("--engines", action="store_true", help="a sample on SQLite and Redis too")
    parser.add_argument("--patterns", action="store_true", help="a schedule by a pattern in each")
    return parser.parse_args()


class Report:
    """The sums over all seeds. `seconds` are of the CPU, and of the seeds on the store in memory
    alone."""

    def __init__(self) -> None:
        self.seeds = self.events = self.commands = self.failed = 0
        self.seconds = 0.0
        self.faults: Counter[str] = Counter()
        self.engines: dict[str, int] = {}

    def add(self, plan: Plan, *, story: bool) -> None:
        began = time.process_time()
        result = Simulation(plan, story=story).run()
        self.seconds += time.process_time() - began
        self.seeds += 1
        self.events += result.events
        self.commands += result.commands
        self.faults.update(result.faults)
        self.faults.update(f"{name} = {value}" for name, value in switches_of(plan))
        if story:
            print(*written(result.story), sep="\n")
        if result.broken is not None:
            self._explain(plan, result)

    def _explain(self, plan: Plan, result: Result) -> None:
        self.failed += 1
        print(f"seed {plan.seed}: {result.broken}", file=sys.stderr)
        if self.failed <= SHRUNK:
            print(*explained(plan, result), sep="\n", file=sys.stderr)

    def figures(self) -> dict[str, object]:
        """Return the figures, with a count for every kind of fault, also for those that never
        struck."""
        kinds = [
            *(fault.value for fault in RATES),
            "429",
            "request dropped by Live",
            "stream forgotten",
            "occurrence begun",
            *(do.value for do in Do),
            *(kind.value for kind in Kind),
        ]
        return {
            "violations": self.failed,
            "events": self.events,
            "commands": self.commands,
            "seconds": round(self.seconds, 2),
            "events_per_second": round(self.events / self.seconds) if self.seconds else 0,
            "faults_by_kind": {**dict.fromkeys(kinds, 0), **dict(sorted(self.faults.items()))},
            "seeds": self.seeds,
            "engines": self.engines,
        }


def explained(plan: Plan, result: Result) -> Iterator[str]:
    """Yield the lines of the shortest story that breaks like this failing seed."""
    shrinker = Shrinker(plan, str(result.broken))
    shortest = shrinker.run()
    yield f"seed {plan.seed}, made shorter; the whole of it: --seed {plan.seed} --story"
    odd = ", ".join(f"{name} = {value}" for name, value in odd_switches(shrinker.plan))
    yield f"UNCONFIRMED switches: {odd or 'as the documents plainly read'}"
    yield from written(shortest.story)


def switches_of(plan: Plan) -> Iterator[tuple[str, object]]:
    for one in fields(plan.switches):
        value = getattr(plan.switches, one.name)
        yield one.name, getattr(value, "name", value)


def odd_switches(plan: Plan) -> Iterator[tuple[str, object]]:
    plain = {one.name: one.default for one in fields(plan.switches)}
    for name, value in switches_of(plan):
        if getattr(plan.switches, name) != plain[name]:
            yield name, value


def _summary(payload: dict[str, object]) -> str:
    return (
        f"{payload['seeds']} seeds, {payload['events']} events, {payload['commands']} commands,"
        f" {payload['violations']} violations; {payload['events_per_second']} events a CPU second"
    )


if __name__ == "__main__":
    sys.exit(main())

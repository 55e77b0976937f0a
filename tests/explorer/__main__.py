"""Explores the protocol of one stream, then again without each of its rules."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from tests.explorer import scenarios
from tests.explorer.outcomes import Kind, Outcome, run
from tests.explorer.rules import RULES


def main() -> int:
    asked = _arguments()
    outcomes = []
    for outcome in run(_jobs(asked), asked.workers):
        outcomes.append(outcome)
        print(outcome, file=sys.stderr if asked.json else sys.stdout, flush=True)
        if outcome.promise and outcome.kind is not Kind.RULE:
            print(*outcome.story, sep="\n", file=sys.stderr, flush=True)
    report = _report(outcomes)
    print(json.dumps(report, indent=2) if asked.json else _summary(report))
    return 1 if report["violations"] or report["unnoticed"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    parser.add_argument("--deep", action="store_true", help="three instances, more faults: slow")
    parser.add_argument("--workers", type=int, default=2, help="how many processes (2)")
    parser.add_argument("only", nargs="*", metavar="scenario", help="these alone, and no rules")
    return parser.parse_args()


def _jobs(asked: argparse.Namespace) -> list[tuple[Kind, str]]:
    kind = Kind.DEEP if asked.deep else Kind.SCENARIO
    jobs = [(kind, name) for name in asked.only or scenarios.DEFAULT]
    rules = not asked.only and not asked.deep
    return jobs + [(Kind.RULE, name) for name in RULES if rules]


def _report(outcomes: Sequence[Outcome]) -> dict[str, object]:
    explored = [outcome for outcome in outcomes if outcome.kind is not Kind.RULE]
    removed = [outcome for outcome in outcomes if outcome.kind is Kind.RULE]
    return {
        "states": sum(outcome.states for outcome in explored),
        "violations": sum(outcome.promise is not None for outcome in explored),
        "rules": {outcome.name: outcome.promise for outcome in removed},
        "unnoticed": [outcome.name for outcome in removed if outcome.promise is None],
        "scenarios": [asdict(outcome) for outcome in explored],
    }


def _summary(report: dict[str, object]) -> str:
    unnoticed = report["unnoticed"] or "none"
    return (
        f"{report['states']} states, {report['violations']} violations;"
        f" removed rules that nobody noticed: {unnoticed}"
    )


if __name__ == "__main__":
    sys.exit(main())

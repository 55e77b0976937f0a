"""Runs the cases of one edge: those that are saved, then as many new ones as there is time for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import corpus
from tests.fuzz.corpus import Case
from tests.fuzz.edges import EDGES
from tests.fuzz.function_edges import Check

EXAMPLES_OF_A_ROUND = 400


@dataclass
class Found:
    """A case that breaks a promise, as small as it could be made, and how."""

    case: Case
    error: BaseException


class Run:
    """One edge under test. `count` is how many cases it has seen."""

    def __init__(self, edge: str, check: Check) -> None:
        self.edge, self.count = edge, 0
        self._check = check
        self._last: Case = {}

    def check(self, case: Case) -> None:
        self.count += 1
        self._last = case
        self._check(case)

    def saved(self) -> None:
        for case in corpus.saved(self.edge):
            self.check(case)

    def rounds(self, first_seed: int, examples: int) -> Iterator[Found | None]:
        """Yield what each round has found, with one seed after the other."""
        number = first_seed
        while True:
            yield self._round(number, examples)
            number += 1

    def _round(self, number: int, examples: int) -> Found | None:
        cases = corpus.from_corpus(self.edge, EDGES[self.edge].cases)

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
            print_blob=False,
            report_multiple_bugs=False,
        )
        @given(cases)
        def try_all(case: Case) -> None:
            self.check(case)

        try:
            try_all()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return Found(self._last, error)
        return None


@dataclass(frozen=True)
class Outcome:
    """What trying an edge came to. `cpu_s` says more of the work than `wall_s` on a machine that
    others use; `found` is the first case that broke a promise."""

    cases: int
    wall_s: float
    cpu_s: float
    found: Found | None


def run_for(edge: str, seconds: float, first_seed: int) -> Outcome:
    """Try the edge for so many seconds."""
    wall, cpu = time.monotonic(), time.process_time()
    with EDGES[edge].open() as check:
        run = Run(edge, check)
        run.saved()
        for found in run.rounds(first_seed, EXAMPLES_OF_A_ROUND):
            if found or time.monotonic() - wall >= seconds:
                spent = time.monotonic() - wall, time.process_time() - cpu
                return Outcome(run.count, *spent, found)
    raise AssertionError("rounds do not end by themselves")

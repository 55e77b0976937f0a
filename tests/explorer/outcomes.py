"""Searches scenarios, and removed rules, in parallel processes, and returns the outcome of each."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from multiprocessing import get_context, parent_process

from tests.explorer import scenarios
from tests.explorer.rules import RULES
from tests.explorer.scenario import Scenario
from tests.explorer.search import Search
from tests.explorer.trace import trace_lines


class Kind(str, Enum):
    SCENARIO = "scenario"
    DEEP = "deep scenario"
    RULE = "removed rule"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`promise` is the one that broke, if any, and `story` the shortest way there."""

    kind: Kind
    name: str
    states: int
    steps: int
    seconds: float
    promise: str | None
    story: tuple[str, ...]

    def __str__(self) -> str:
        name = f"without: {self.name}" if self.kind is Kind.RULE else self.name
        figures = f"{name:48} {self.states:8} states {self.seconds:6.1f} s"
        return f"{figures}  {self.promise}" if self.promise else figures


def explored(kind: Kind, name: str) -> Outcome:
    if kind is Kind.RULE:
        with RULES[name].removed():
            return _missed(name, RULES[name].scenario)
    table = scenarios.DEEP if kind is Kind.DEEP else scenarios.DEFAULT
    return _searched(kind, name, Search(table[name]))


def _missed(name: str, scenario: Scenario) -> Outcome:
    """Search for a broken promise first, and for a broken invariant if there is none."""
    found = _searched(Kind.RULE, name, Search(scenario, invariants=False))
    return found if found.promise else _searched(Kind.RULE, name, Search(scenario))


def _searched(kind: Kind, name: str, search: Search) -> Outcome:
    began = time.monotonic()
    found = search.run()
    seconds, violation = time.monotonic() - began, found.violation
    if violation is None:
        return Outcome(kind, name, found.states, found.steps, seconds, None, ())
    story = tuple(trace_lines(violation.steps, search.stepper))
    return Outcome(kind, name, found.states, found.steps, seconds, violation.promise, story)


def run(jobs: Iterable[tuple[Kind, str]], workers: int) -> Iterator[Outcome]:
    """Yield each outcome as its search ends, in `workers` processes, which end with this one."""
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        for future in as_completed([pool.submit(explored, *job) for job in jobs]):
            yield future.result()


def _end_with_parent() -> None:
    """Exit as soon as the parent is gone: a worker that nobody asks any more waits for ever."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()

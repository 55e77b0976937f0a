"""Writes how each mistake of `bugs` is found into a page: `python -m tests.simulation.mistakes
tests/simulation/mistakes.md` (some minutes)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.__main__ import explained
from tests.simulation.bugs import BUGS
from tests.simulation.plan import draw
from tests.simulation.simulation import Result, Simulation
from tests.support.marked_page import between

SEEDS = range(500)
TOLD = (
    "a command is sent before it is saved",
    "the lease of a command is ignored",
    "no second stop follows a start in doubt",
    "the end that a request gave is ignored",
)
"""The mistakes whose stories the page shows as examples."""
HISTORY_MAX_ENTRIES, WIDTH = 34, 104
_LISTS = re.compile(r"reconcile#\d+\s+lists")


def found(bug: str) -> Result:
    """Return the result of the first seed that shows the bug; raise SystemExit if none does."""
    with BUGS[bug].put_in():
        for seed in SEEDS:
            result = Simulation(draw(seed)).run()
            if result.broken is not None:
                return result
    raise SystemExit(f"no seed of {SEEDS} shows: {bug}")


def table(results: dict[str, Result]) -> Iterator[str]:
    yield "| mistake | seed | the check that fails first |"
    yield "|---|---|---|"
    for bug, result in results.items():
        seen, _, _ = str(result.broken).partition(": {")  # a log line names this machine's paths
        yield f"| {bug} | {result.seed} | {seen} |"


def stories(results: dict[str, Result]) -> Iterator[str]:
    for bug in TOLD:
        with BUGS[bug].put_in():
            _, switches, *lines = explained(draw(results[bug].seed), results[bug])
        yield from _story(bug, results[bug].seed, switches, lines)


def _story(bug: str, seed: int, switches: str, lines: list[str]) -> Iterator[str]:
    rows = [line[:WIDTH].rstrip() for line in lines if not _LISTS.search(line)]
    cut = (
        f"; the last {HISTORY_MAX_ENTRIES} of {len(rows)} lines"
        if len(rows) > HISTORY_MAX_ENTRIES
        else ""
    )
    yield from (f"### {bug.capitalize()}", "", f"Seed {seed}; {switches}{cut}.", "")
    yield from ("```text", *rows[-HISTORY_MAX_ENTRIES:], "```", "")


def main() -> None:
    page = Path(sys.argv[1])
    results = {bug: found(bug) for bug in BUGS}
    text = between(page.read_text(encoding="utf-8"), "mistakes", table(results))
    text = between(text, "stories", stories(results))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

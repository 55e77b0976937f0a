"""Writes the table of docs/metrics.md from the code: `python -m tests.repository.metrics_page`.

test_metrics_page.py holds the page to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.paths import ROOT
from functions.record_command.metrics import FAMILIES
from tests.support.marked_page import between

PAGE = ROOT / "docs" / "metrics.md"


def rows() -> Iterator[str]:
    yield from ("| metric | type | labels | value |", "|---|---|---|---|")
    for family in FAMILIES:
        yield f"| `{family.name}` | {family.kind} | {family.labels} | {family.help} |"


def written(text: str) -> str:
    return between(text, "metrics", rows())


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""docs/security.md names a test for each promise, and each of them is there."""

from __future__ import annotations

import ast
import re
from itertools import takewhile

import pytest

from tests.repository.rooms import ROOT, parsed

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def test_every_promise_has_a_test() -> None:
    rows = rows_of("| promise | test |")

    assert len(rows) > 75
    assert len(NAMED) > 170
    assert all(map(names_a_test, rows))


def rows_of(head: str) -> list[str]:
    """Return the rows of all tables with this head."""
    below = (table.splitlines()[2:] for table in PAGE.split(head)[1:])
    return [row for lines in below for row in takewhile(lambda line: line.startswith("|"), lines)]


def names_a_test(row: str) -> bool:
    return "`tests/" in row


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_test_is_there_and_runs(file: str, name: str) -> None:
    tree = parsed(ROOT / file)
    (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)

    assert not any("skip" in ast.unparse(decorator) for decorator in found.decorator_list)

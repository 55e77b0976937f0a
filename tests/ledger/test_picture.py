"""The picture of docs/coverage.md is that of today's account."""

from __future__ import annotations

from cli.paths import ROOT
from tests.ledger.picture import picture, story


def test_the_picture_is_that_of_the_code() -> None:
    """`python -m tests.ledger.picture docs/coverage.svg` draws it."""
    assert (ROOT / "docs" / "coverage.svg").read_text() == picture()


def test_it_shows_a_start_latency_and_a_gap() -> None:
    covered = story()
    assert (len(covered.live), len(covered.gaps)) == (2, 1)
    assert covered.latency_ms > 0

"""What holds of every account, whatever happened to the stream, in whatever order."""

from __future__ import annotations

import random

import pytest

from shared.ledger import Coverage, Edge, Span, coverage, edges_between
from shared.ledger.coverage import TOLERANCE_MS
from shared.ledger.spans import common, merged, total_ms, without
from shared.protocol import Reason
from shared.protocol.file import File
from tests.conftest import NOON
from tests.protocol.random_walks import Walk


def account_of(seed: int) -> Coverage:
    """Return the coverage of a random walk of a stream, with files of random times."""
    walk, draw = Walk(seed), random.Random(seed)  # noqa: S311 - lots, not keys
    edges, files, before = list[Edge](), list[File](), walk.record
    for _, record in walk.steps(60):
        edges += edges_between(before, record, walk.now, walk.settings)
        before = record
        if draw.random() < 0.1:
            start = walk.now - draw.randrange(300_000)
            files.append(File(f"{len(files)}.flv", start, draw.choice([None, walk.now]), 9_000))
    return coverage(edges, files, Span(NOON, walk.now), walk.now)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_there_and_what_is_missing_add_up_to_what_was_due(seed: int) -> None:
    account = account_of(seed)
    parts = account.covered_ms + account.missing_ms + account.latency_ms
    assert parts <= account.due_ms
    due = [piece for live in account.live for piece in common([live], account.wanted)]
    assert account.due_ms - parts <= TOLERANCE_MS * (len(due) + len(account.recorded) + 1)


@pytest.mark.parametrize("seed", range(40))
def test_each_gap_was_due_and_not_recorded_and_has_a_cause(seed: int) -> None:
    account = account_of(seed)
    gaps = [gap.span for gap in account.gaps]
    assert gaps == merged(gaps)
    assert without(gaps, common(account.live, account.wanted)) == []
    assert common(gaps, account.recorded) == []
    assert all(gap.reason.code is not Reason.UNKNOWN for gap in account.gaps)


def test_spans_are_subtracted_and_intersected_as_sets_of_moments() -> None:
    draw = random.Random(7)  # noqa: S311 - lots, not keys
    for _ in range(300):
        some, others = (
            [Span(a, a + draw.randrange(9)) for a in draw.choices(range(40), k=4)] for _ in "ab"
        )
        ours, theirs = (
            {m for s in spans for m in range(s.start, s.stop)} for spans in (some, others)
        )
        assert {m for s in common(some, others) for m in range(s.start, s.stop)} == ours & theirs
        assert {m for s in without(some, others) for m in range(s.start, s.stop)} == ours - theirs
        assert total_ms(some) == len(ours)

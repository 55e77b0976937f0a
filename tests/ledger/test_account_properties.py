"""What holds of every account, whatever happened to the stream, in whatever order."""

from __future__ import annotations

import random

import pytest

from shared.ledger.coverage import TOLERANCE_MS, Coverage, coverage
from shared.ledger.edges import Edge, edges_between
from shared.ledger.occurrences import occurrence_parts
from shared.ledger.spans import Span, common, merged, total_ms, without
from shared.protocol import Event, Published, Reason, Reported, StreamSettings, Unpublished
from shared.protocol.file import File
from tests.conftest import NOON
from tests.ledger.accounts import Account
from tests.protocol.random_walks import Walk
from tests.support.stream_story import RECORDS, SECOND


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


@pytest.mark.parametrize("seed", range(40))
def test_each_moment_that_was_due_belongs_to_one_occurrence_or_to_none(seed: int) -> None:
    account, draw = account_of(seed), random.Random(seed)  # noqa: S311 - lots, not keys
    starts = [NOON + draw.randrange(600_000) for _ in range(draw.randrange(9))]
    spans = {f"a@{at}": Span(at, at + draw.randrange(300_000)) for at in starts}
    parts = list(occurrence_parts(account, spans.items()))
    due = common(account.live, account.wanted)
    assert sum(part.due_ms for part in parts) == total_ms(common(due, spans.values()))
    gaps = [gap.span for gap in account.gaps]
    assert sum(part.missing_ms for part in parts) == total_ms(common(gaps, spans.values()))
    assert all(0 <= part.ratio <= 1 for part in parts)
    assert all(common([part.span], [spans[part.occurrence]]) == [part.span] for part in parts)


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


PAUSE_S, RESUME_S, END_S = 60, 90, 180
NEAR_MS = TOLERANCE_MS + 1_000
"""What each edge may differ: Live reports whole seconds, and whatever has no time of Live's counts
from when it was heard."""


def delivered(seed: int) -> Coverage:
    """Return the account of one story whose callbacks come late, twice and in another order, by a
    clock of ours that is ahead of Live's or behind it."""
    draw = random.Random(seed)  # noqa: S311 - lots, not keys
    account, skew_ms = Account(StreamSettings(rule=RECORDS)), draw.randrange(-900, 900)
    story: list[tuple[int, Event]] = [
        (2, Published(NOON)),
        (3, _report("record_started", 2, recording=True)),
        (PAUSE_S, _report("record_paused", PAUSE_S, recording=False)),
        (RESUME_S, _report("record_resumed", RESUME_S, recording=True)),
        (END_S, Unpublished(NOON + END_S * SECOND)),
    ]
    for at_s, event in list(story):
        if draw.random() < 0.5:
            story.append((at_s + draw.randrange(1, 25), event))
    late = [(at_s * SECOND + draw.randrange(3_000), place) for place, (at_s, _) in enumerate(story)]
    for at_ms, place in sorted(late):
        account.passes(max(NOON + at_ms + skew_ms - account.now, 0))
        account.happens(story[place][1])
        if account.record.flight is not None:
            account.answer()
    account.passes(30 * SECOND).missed()
    account.passes(6 * SECOND).missed()
    return account.covers()


def _report(what: str, at_s: int, *, recording: bool) -> Reported:
    return Reported(what, recording=recording, time=NOON + at_s * SECOND)


@pytest.mark.parametrize("seed", range(60))
def test_late_doubled_and_reordered_callbacks_change_an_account_no_more_than_an_edge(
    seed: int,
) -> None:
    account = delivered(seed)
    (live,) = account.live
    assert live == Span(NOON, NOON + END_S * SECOND)
    (gap,) = account.gaps
    assert gap.reason.code is Reason.PAUSED
    assert abs(gap.span.start - (NOON + PAUSE_S * SECOND)) <= NEAR_MS
    assert abs(gap.span.stop - (NOON + RESUME_S * SECOND)) <= NEAR_MS
    assert account.latency_ms <= 2 * SECOND + NEAR_MS

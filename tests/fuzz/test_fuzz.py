"""Every edge keeps its promises for the saved cases, and for a few new ones. `make fuzz` takes
longer."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.fuzz import corpus
from tests.fuzz.edges import EDGES
from tests.fuzz.fuzzing import Run

pytestmark = pytest.mark.slow

SEED, EXAMPLES = 17, 25


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_keeps_its_promises(edge: str) -> None:
    with EDGES[edge].open() as check:
        run = Run(edge, check)
        run.saved()
        found = next(islice(run.rounds(SEED, EXAMPLES), 1))

    assert found is None, f"{found.case}: {found.error}"


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_has_a_corpus(edge: str) -> None:
    assert corpus.saved(edge)

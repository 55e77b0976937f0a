"""The benchmark of incidents, small: what is said while something is broken is so, and nobody is
silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.incidents.catalogue import INCIDENTS
from benchmarks.incidents.run import run

pytestmark = [pytest.mark.slow, pytest.mark.long]

ALL = {incident.name: incident for incident in INCIDENTS}


def test_there_are_twenty_incidents_at_least() -> None:
    assert len(ALL) == len(INCIDENTS) >= 20


@pytest.mark.parametrize("name", ["throttled", "stage_down"])
def test_no_answer_is_false_and_nobody_is_silent(name: str) -> None:
    outcome = run(replace(ALL[name], moments=(12.0,)), streams=8)

    assert (outcome.false, outcome.silent) == ([], [])
    assert outcome.passed

"""The small model of the protocol (tests/explorer): what must hold in every situation that it
reaches, and that a test fails for each rule of docs/protocol-explored.md that is taken out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local.tether import run_tethered
from tests.conftest import EXHAUSTIVE_S
from tests.explorer import scenarios
from tests.explorer.outcomes import Kind, Outcome, explored
from tests.explorer.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 200_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["published", "session over", "step by step"])
def test_no_promise_breaks_in_a_small_scenario(name: str) -> None:
    assert verdict(explored(Kind.SCENARIO, name)) == "holds"


@pytest.mark.parametrize("name", ["one flight", "doubt", "reassert", "a stop sticks"])
def test_the_heart_of_the_protocol_is_missed_when_it_is_taken_out(name: str) -> None:
    assert explored(Kind.RULE, name).promise is not None


@pytest.mark.prove
@pytest.mark.long
@pytest.mark.timeout(EXHAUSTIVE_S)
def test_no_promise_breaks_in_any_situation_of_the_whole_table() -> None:
    """Of the scenarios alone: each rule that is taken out has a test of its own."""
    run = run_tethered(
        [sys.executable, "-m", "tests.explorer", "--json", *scenarios.DEFAULT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    report = json.loads(run.stdout)

    assert report["violations"] == 0, run.stderr
    assert report["states"] >= ENOUGH
    assert len(report["scenarios"]) == len(scenarios.DEFAULT)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_taken_out_is_missed(name: str) -> None:
    assert explored(Kind.RULE, name).promise is not None


def verdict(outcome: Outcome) -> str:
    """Return what pytest shows of a violation: its story."""
    return "\n".join((outcome.promise, *outcome.story)) if outcome.promise else "holds"

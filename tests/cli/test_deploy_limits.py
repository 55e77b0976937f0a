"""What the stages of one account share is added up before anything is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.api import Api
from cli.deploying.limits import Share, faults, other_shares, unknown
from cli.deploying.smoke import TRIES, smoke_test
from cli.deploying.stage import Stage, stage_named
from cli.errors import Failure
from cli.local.stack import TOKEN, running
from cli.stage_registry import Target, register
from tests.support.deploys import SOUND


@pytest.fixture(autouse=True)
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "stages.toml"
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(file))
    return file


def prod(**more: str) -> Stage:
    return stage_named("prod", {**SOUND, **more})


def test_one_stage_fits_into_an_account() -> None:
    assert faults(prod(), []) == []


def test_two_stages_that_each_take_what_one_takes_are_refused_with_how_to_split() -> None:
    (fault,) = faults(prod(), [Share("staging", 45, 0)])

    assert "LIVE_RECORD_RATE allows more: prod 45 + staging 45." in fault
    assert "40 for prod and 5 for staging" in fault


def test_rates_that_fit_together_are_accepted() -> None:
    assert faults(prod(LIVE_RECORD_RATE="40"), [Share("staging", 10, 0)]) == []


def test_reservations_leave_room_for_the_other_functions() -> None:
    other = Share("second", 5, 20)
    (fault,) = faults(prod(LIVE_RECORD_RATE="40"), [other])

    assert "65 instances would be reserved (prod 45 + second 20), but at most 60 may be" in fault
    assert faults(prod(LIVE_RECORD_RATE="40"), [other], instances=300) == []


def test_a_stage_that_does_not_answer_is_said(stages: Path) -> None:
    stages.write_text('[staging]\nurl = "https://127.0.0.1:9"\ntoken = "t"\n')
    others = other_shares(prod())

    assert others == [Share("staging", None, 0)]
    assert "staging does not answer, so its number of calls" in unknown(others)[0]
    assert faults(prod(), others) == []


def test_neither_an_emulated_stage_nor_one_of_another_account_counts(stages: Path) -> None:
    stages.write_text(
        '[dev]\nurl = "http://127.0.0.1:9"\ntoken = "t"\nlive = "http://127.0.0.1:9"\n'
        '[staging]\nurl = "https://127.0.0.1:9"\ntoken = "t"\naccount = "tests"\n'
    )

    assert other_shares(prod()) == []


def test_a_stage_that_is_not_registered_is_not_asked_and_that_is_said() -> None:
    said: list[str] = []
    smoke_test("prod", said.append)

    assert said[0].startswith("smoke test of prod: not done: There is no stage prod")


def test_a_stage_that_does_not_answer_fails_the_smoke_test_after_some_tries(stages: Path) -> None:
    stages.write_text('[prod]\nurl = "https://127.0.0.1:9"\ntoken = "t"\n')
    pauses: list[float] = []

    with pytest.raises(Failure, match="The release is in place, but prod is not ready"):
        smoke_test("prod", lambda _text: None, pause=pauses.append)
    assert len(pauses) == TRIES


@pytest.mark.slow
def test_the_rate_of_a_registered_stage_is_asked_and_a_ready_one_passes(tmp_path: Path) -> None:
    said: list[str] = []
    with running(tmp_path / "stack", settings={"LIVE_RECORD_RATE": "7"}) as stack:
        register("staging", Target(stack.fc, TOKEN))
        shares = other_shares(prod())
        Api(stack.fc, TOKEN).accept_store(None)
        smoke_test("staging", said.append)

    assert shares == [Share("staging", 7.0, 0)]
    assert said == ["smoke test of staging: the stage is ready"]

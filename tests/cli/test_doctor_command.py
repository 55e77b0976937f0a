"""Doctor as a command, where there is little or nothing to look at."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.doctor.checks import CHECKS
from cli.main import main
from cli.stage_registry import Target, register
from tests.support.http_stage import TOKEN, http_stage

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1"
KEYS = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name in (*(f"ALIBABA_CLOUD_{key}" for key in KEYS), "LIVE_RECORD_URL", "LIVE_RECORD_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def doctor(*words: str) -> Result:
    result = CliRunner().invoke(main, ["doctor", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def checked(*words: str) -> dict[str, str]:
    """Return the text of each check's last finding."""
    report = json.loads(doctor("--url", NOWHERE, "--token", "x", "--json", *words).stdout)
    return {finding["check"]: finding["text"] for finding in report["findings"]}


def test_everything_is_looked_at_where_nothing_answers() -> None:
    result = doctor("--url", NOWHERE, "--token", "x")

    assert result.exit_code == 4
    assert [check.name for check in CHECKS if check.name not in result.stdout] == []


def test_a_stage_that_is_down_is_one_finding_and_the_rest_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    result = doctor("--url", NOWHERE, "--token", "x", "--live", NOWHERE)
    faults = re.findall(r"^fault +(\S+)", result.stdout, re.MULTILINE)

    assert faults == ["stage"]
    assert (
        "because of this finding, `doctor` could not make these checks: store, health, identity"
        in result.stdout
    )


def test_several_stages_are_examined_in_one_go_and_the_worst_code_counts(tmp_path: Path) -> None:
    """Of one stage something is to be fixed; the other does not answer."""
    both = ("--stage", "show", "--stage", "down")
    with http_stage(tmp_path, '[[domain]]\nstreaming = "live.example.com"\n') as stage:
        register("show", Target(stage.url, TOKEN, stage.live))
        register("down", Target(NOWHERE, TOKEN, NOWHERE))
        shown = doctor(*both)
        documents = [json.loads(line) for line in doctor(*both, "--json").stdout.splitlines()]

    assert shown.exit_code == 4
    assert re.findall(r"^stage \w+$", shown.stdout, re.MULTILINE) == ["stage show", "stage down"]
    assert [(each["stage"], each["exit"]) for each in documents] == [("show", 3), ("down", 4)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_cause_within_a_finding_brings_no_second_full_stop(language: str) -> None:
    text = checked("--language", language)["stage"]

    assert ("127.0.0.1" in text, ".." in text, "。。" in text) == (True, False, False)


def test_without_credentials_it_says_which_to_set() -> None:
    texts = checked()

    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in texts["credentials"]
    assert "cannot be reached" in texts["stage"]


def test_a_live_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = checked("--live", NOWHERE)

    assert "no answer" in texts["credentials"]


def test_a_stage_that_no_file_names_is_no_better_than_a_fault() -> None:
    result = doctor("--stage", "prod")

    assert result.exit_code == 2  # of click
    assert "There is no stage prod" in result.output


def test_a_file_of_stages_that_cannot_be_read_leaves_everything_unknown(tmp_path: Path) -> None:
    (tmp_path / "stages.toml").write_text("[prod\n")

    assert doctor("--stage", "prod").exit_code == 4

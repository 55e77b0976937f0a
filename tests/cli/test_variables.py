"""A variable that nothing reads is named, with what it was probably meant to be."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.variables import misspelt, without_ours


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("LIVE_RECORD_MAX_DURATIONS", "LIVE_RECORD_MAX_DURATION"),
        ("LIVE_RECORD_API_TOKEN", "LIVE_RECORD_API_TOKENS"),
        ("LIVE_RECORD_VSWITCHES", "LIVE_RECORD_VSWITCH"),
        ("LIVE_RECORD_STAGE_FILE", "LIVE_RECORD_STAGE"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest(name: str, near: str) -> None:
    assert misspelt({name: "12h"}) == [f"{name} is not known. Did you mean {near}?"]


def test_a_variable_that_resembles_none_is_told_too() -> None:
    (sentence,) = misspelt({"LIVE_RECORD_QQ": "1"})
    assert sentence == "LIVE_RECORD_QQ is not known. Unset it; docs/settings.md lists the names."


def test_what_settings_templates_and_commands_read_is_known() -> None:
    known = ("MAX_DURATION", "VPC", "STAGES", "TOKEN", "LOG_PROJECT", "ROLE")
    assert misspelt({f"LIVE_RECORD_{name}": "x" for name in known} | {"PATH": "/bin"}) == []


@pytest.mark.parametrize("command", [["dev"], ["check"]])
def test_no_command_goes_on_with_one(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_RECORD_MAX_DURATIONS", "12h")
    result = CliRunner().invoke(main, command)

    assert result.exit_code != 0
    assert "Did you mean LIVE_RECORD_MAX_DURATION?" in result.output


def test_the_demo_takes_over_none_of_them() -> None:
    assert without_ours({"LIVE_RECORD_MODE": "observe", "PATH": "/bin"}) == {"PATH": "/bin"}

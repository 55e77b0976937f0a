"""The schedules of a stage go with its state to another one, whose suspension stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.support.http_stage import TOKEN, HttpStage, http_stage

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
"""
FILE = """
[[schedule]]
id = "tuesdays"
title = "周二节目"
streams = ["live.example.com/app/room1"]
start = 2099-01-06T19:00:00
end = 2099-01-06T21:00:00
timezone = "Asia/Shanghai"
rrule = "FREQ=WEEKLY;BYDAY=TU"
pre_roll = "1m"

[[schedule]]
id = "gala"
streams = ["live.example.com/app/room2"]
start = 2099-02-01T12:00:00
end = 2099-02-01T15:00:00
timezone = "UTC"
overrun = "none"
"""
PATTERN = """
[[schedule]]
id = "cameras"
streams = ["live.example.com/app/cam*"]
start = 2099-02-01T12:00:00
end = 2099-02-01T15:00:00
timezone = "UTC"
"""


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[tuple[HttpStage, HttpStage]]:
    with ExitStack() as opened:
        folders = [tmp_path / name for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        first, second = (opened.enter_context(http_stage(folder, POLICY)) for folder in folders)
        yield first, second


def run(stage: HttpStage, *command: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [*map(str, command), "--url", stage.url, "--token", TOKEN])
    assert result.exit_code == code, result.output
    return result


def test_they_are_imported_as_they_were_and_once(
    stages: tuple[HttpStage, HttpStage], tmp_path: Path
) -> None:
    first, second = stages
    written, state = tmp_path / "schedules.toml", tmp_path / "state.json"
    written.write_text(FILE, encoding="utf-8")
    run(first, "schedule", "apply", written, "--yes")
    run(first, "schedule", "pause", "gala")
    assert "schedules: 2." in run(first, "state", "export", state).output

    none = run(second, "state", "import", state, "--no-policy", "--no-schedules")
    assert "Schedules" not in none.output
    assert "Schedules imported: 2." in run(second, "state", "import", state, "--no-policy").output

    assert run(second, "schedule", "export").stdout == run(first, "schedule", "export").stdout
    assert "paused" in run(second, "schedule", "show", "gala").output
    assert "paused" not in run(second, "schedule", "show", "tuesdays").output
    again = json.loads(run(second, "state", "import", state, "--no-policy", "--json").stdout)
    assert (again["schedules"], again["schedules_refused"]) == ([], [])


def test_an_export_names_what_it_lacks_because_the_stage_cannot_read_it(
    stages: tuple[HttpStage, HttpStage], tmp_path: Path
) -> None:
    stages[0].app.store.put_schedule("gala", "{}", 0, replaces=None)
    result = run(stages[0], "state", "export", tmp_path / "state.json")

    assert result.stderr.startswith("gala: the stage cannot read this schedule")
    assert "schedules: 0." in result.stdout


def test_what_the_stage_refuses_is_named_and_stops_no_other(
    stages: tuple[HttpStage, HttpStage], tmp_path: Path
) -> None:
    first, second = stages
    written, state = tmp_path / "schedules.toml", tmp_path / "state.json"
    written.write_text(FILE, encoding="utf-8")
    run(first, "schedule", "apply", written, "--yes")
    run(first, "state", "export", state)
    moved = state.read_text().replace("live.example.com/app/room2", "tv.example.com/app/room2")
    state.write_text(moved)

    output = run(second, "state", "import", state, "--no-policy", code=1).output

    assert "Schedules imported: 1." in output
    assert "The schedule gala is not imported: " in output
    assert "tv.example.com/app/room2" in output
    assert list(second.app.store.schedules()) == ["tuesdays"]


def test_an_import_keeps_the_suspension_of_the_importing_stage(
    stages: tuple[HttpStage, HttpStage], tmp_path: Path
) -> None:
    first, second = stages
    state = tmp_path / "state.json"
    run(first, "policy", "suspend", "--for", "1h")
    run(first, "state", "export", state)
    run(second, "policy", "suspend", "--for", "2h", "--note", "own")
    run(second, "state", "import", state)
    kept = json.loads(run(second, "policy", "show", "--json").stdout)["policy"]["suspended"]
    run(second, "policy", "resume")
    run(second, "state", "import", state)
    theirs = json.loads(run(second, "policy", "show", "--json").stdout)["policy"]["suspended"]

    assert (kept["note"], "note" in theirs) == ("own", False)


def test_a_pattern_goes_with_the_others(
    stages: tuple[HttpStage, HttpStage], tmp_path: Path
) -> None:
    first, second = stages
    written, state = tmp_path / "schedules.toml", tmp_path / "state.json"
    written.write_text(PATTERN, encoding="utf-8")
    run(first, "schedule", "apply", written, "--yes")
    run(first, "state", "export", state)

    run(second, "state", "import", state, "--no-policy")

    assert run(second, "schedule", "diff", written).output.endswith("Nothing changes.\n")

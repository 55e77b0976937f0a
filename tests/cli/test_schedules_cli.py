"""Schedules from the command line: applied from a file with a diff, exported, imported, changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.api import Api
from cli.main import main
from tests.repository.rooms import ROOT
from tests.support.http_stage import TOKEN, HttpStage, http_stage
from tests.support.raw_server import Wire, json_reply
from tests.support.time_zone import in_zone

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
end = "2099-01-06T21:00"
timezone = "Asia/Shanghai"
rrule = "RRULE:FREQ=WEEKLY;BYDAY=TU"
pre_roll = "60s"

[[schedule]]
id = "gala"
streams = ["live.example.com/app/room2"]
start = "2099-02-01T12:00:00"
end = "2099-02-01T15:00:00"
timezone = "UTC"
overrun = "none"
late_after = "300s"
expect = "any"
coverage_target = 99
"""
ROOM = "live.example.com/app/room1"
CALENDAR = ROOT / "tests" / "fixtures" / "calendars" / "icalendar.ics"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY) as stage:
        yield stage


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "schedules.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def run(stage: HttpStage, *command: str | Path, zone: str = "Asia/Shanghai") -> Result:
    """Type a command in this time zone."""
    arguments = [str(one) for one in command]
    options = ["--url", stage.url, "--token", TOKEN]
    with in_zone(zone):
        return CliRunner().invoke(main, ["schedule", *arguments, *options])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line for line in result.output.splitlines() if not line.startswith("stage ")]


def test_an_occurrence_under_way_is_shown_as_such(stage: HttpStage, tmp_path: Path) -> None:
    begins = (datetime.now(timezone.utc) - timedelta(minutes=5)).replace(microsecond=0)
    ends = begins + timedelta(hours=1)
    file = tmp_path / "now.toml"
    file.write_text(
        f'[[schedule]]\nid = "now"\nstreams = ["live.example.com/app/room1"]\ntimezone = "UTC"\n'
        f"start = {begins:%Y-%m-%dT%H:%M:%S}\nend = {ends:%Y-%m-%dT%H:%M:%S}\n",
        encoding="utf-8",
    )

    applied = lines(run(stage, "apply", file, "--yes"))

    assert applied[1:] == [f"now: under way since {begins.isoformat(sep=' ')}"]


def test_a_file_is_applied_with_what_it_changes(stage: HttpStage, file: Path) -> None:
    applied = lines(run(stage, "apply", file, "--yes"))

    assert applied == [
        "+ tuesdays: 2099-01-06T19:00:00 - 2099-01-06T21:00:00 Asia/Shanghai FREQ=WEEKLY;BYDAY=TU",
        "+ gala: 2099-02-01T12:00:00 - 2099-02-01T15:00:00 UTC",
        "tuesdays: next occurrence at 2099-01-06 19:00:00+08:00",
        "  1 start takes less than 1 s at 18:59 (Asia/Shanghai)",
        "gala: next occurrence at 2099-02-01 12:00:00+00:00",
        "  1 start takes less than 1 s at 12:00 (UTC)",
    ]
    assert lines(run(stage, "diff", file)) == ["Nothing changes."]


def test_nothing_is_applied_without_a_yes(stage: HttpStage, file: Path) -> None:
    assert run(stage, "apply", file).exit_code == 2
    assert stage.app.store.schedules() == {}


def test_what_differs_is_shown_field_by_field(stage: HttpStage, file: Path) -> None:
    run(stage, "apply", file, "--yes")
    file.write_text(FILE.replace('"60s"', '"2m"').partition('\n[[schedule]]\nid = "gala"')[0])

    assert lines(run(stage, "diff", file)) == ["~ tuesdays: pre_roll: 1m -> 2m"]
    assert lines(run(stage, "diff", file, "--prune"))[1:] == ["- gala"]
    file.write_text(FILE.replace("coverage_target = 99\n", ""))
    assert lines(run(stage, "diff", file)) == ["~ gala: coverage_target: 99.0 -> -"]
    file.write_text(FILE.partition('\n[[schedule]]\nid = "gala"')[0])
    run(stage, "apply", file, "--prune", "--yes")
    assert len(lines(run(stage, "list"))) == 1


def test_what_is_exported_can_be_applied_again(
    stage: HttpStage, file: Path, tmp_path: Path
) -> None:
    run(stage, "apply", file, "--yes")
    exported = tmp_path / "exported.toml"
    exported.write_text(run(stage, "export").stdout, encoding="utf-8")

    written = exported.read_text(encoding="utf-8")
    assert 'title = "周二节目"' in written
    assert written.count("late_after") == written.count('late_after = "5m"') == 1
    assert lines(run(stage, "diff", exported)) == ["Nothing changes."]


def test_mistakes_of_a_file_are_named_together(stage: HttpStage, file: Path) -> None:
    file.write_text('[[schedule]]\nid = "a"\nbegin = 1\n[[schedule]]\nid = "a"\n[[schedule]]\n')

    result = run(stage, "diff", file)

    assert result.exit_code != 0
    for part in ("a: the field `begin` is unknown", "a occurs twice", "a schedule has no `id`"):
        assert part in result.output


def test_what_the_stage_refuses_is_shown(stage: HttpStage, file: Path) -> None:
    file.write_text(FILE.replace("Asia/Shanghai", "Mars/Base"), encoding="utf-8")

    result = run(stage, "apply", file, "--yes")

    assert result.exit_code != 0
    assert "Asia/Shanghai" in result.output


THIRD = """
[[schedule]]
id = "matinee"
streams = []
start = "2099-02-01T12:00:00"
end = "2099-02-01T15:00:00"
timezone = "UTC"
"""


def test_each_refused_schedule_is_named_and_stops_no_other(stage: HttpStage, file: Path) -> None:
    file.write_text(FILE.replace("tuesdays", "mondays").partition('\n[[schedule]]\nid = "gala"')[0])
    run(stage, "apply", file, "--yes")
    file.write_text(FILE.replace('"Asia/Shanghai"', '"Mars/Base"') + THIRD, encoding="utf-8")

    result = run(stage, "apply", file, "--prune", "--yes")

    assert result.exit_code == 1
    assert "Error: The schedule tuesdays is not stored: MalformedParam: timezone: " in result.stderr
    assert (
        "Error: The schedule matinee is not stored: MissingParam: streams: is missing"
        in result.stderr
    )
    assert "no schedule was deleted" in result.stderr
    assert sorted(stage.app.store.schedules()) == ["gala", "mondays"]


@pytest.mark.parametrize("command", [["apply", "--yes"], ["diff"]])
def test_what_would_be_refused_is_not_shown_as_a_change(
    stage: HttpStage, file: Path, command: list[str]
) -> None:
    file.write_text(FILE.replace('"Asia/Shanghai"', '"CST"'), encoding="utf-8")

    result = run(stage, *command, file)

    assert result.exit_code == 1
    assert [line[:6] for line in result.output.splitlines() if line[0] == "+"] == ["+ gala"]
    refusal = "The schedule tuesdays is not stored: MalformedParam: timezone: write a name of the"
    assert result.output.count(refusal) == 1


def test_of_a_file_that_is_refused_whole_nothing_is_asked(stage: HttpStage, file: Path) -> None:
    file.write_text(THIRD, encoding="utf-8")

    result = run(stage, "apply", file)

    assert result.exit_code == 1
    assert "MissingParam: streams: is missing" in result.stderr
    assert "Nothing changes" not in result.output


def test_as_json_refused_schedules_stand_beside_those_that_are_stored(
    stage: HttpStage, file: Path
) -> None:
    file.write_text(FILE + THIRD, encoding="utf-8")

    result = run(stage, "apply", file, "--yes", "--json")

    answer = json.loads(result.stdout)
    assert [row["id"] for row in answer["schedules"]] == ["tuesdays", "gala"]
    assert [(row["id"], row["code"]) for row in answer["refused"]] == [("matinee", "MissingParam")]
    assert result.exit_code == 1


def test_the_id_of_a_triggered_occurrence_is_printed_as_play_takes_it(
    stage: HttpStage, file: Path
) -> None:
    run(stage, "apply", file, "--yes")
    (line,) = lines(run(stage, "trigger", "tuesdays"))
    status = CliRunner().invoke(
        main, ["status", ROOM, "--json", "--url", stage.url, "--token", TOKEN]
    )

    occurrences = [row["occurrence"] for row in json.loads(status.stdout)["schedules"]]
    assert line.removeprefix("begun: ").partition("  from ")[0] in occurrences


def test_a_schedule_is_listed_shown_and_changed(stage: HttpStage, file: Path) -> None:
    run(stage, "apply", file, "--yes")
    listed = lines(run(stage, "list"))
    assert [line[-10:] for line in listed] == ["  1 stream"] * 2
    shown = lines(run(stage, "show", "tuesdays"))
    assert shown[1] == "  live.example.com/app/room1"
    assert shown[2].startswith("tuesdays@2099-01-06T19:00:00  from 2099-01-06 18:59:00+08:00 to")
    assert len(lines(run(stage, "next", "tuesdays", "-n", "3"))) == 3

    paused = lines(run(stage, "pause", "tuesdays", "--note", "stage closed"))[0]
    assert paused.endswith("  paused by dev: stage closed")
    assert lines(run(stage, "next", "tuesdays")) == ["no occurrence is to come"]
    assert "paused" not in lines(run(stage, "resume", "tuesdays", "--note", "open"))[0]
    skipped = lines(run(stage, "skip", "tuesdays", "--note", "rained off"))
    assert skipped[0].startswith("skipped: tuesdays@2099-01-06T19:00:00")
    assert lines(run(stage, "next", "tuesdays"))[0].startswith("tuesdays@2099-01-13")
    assert run(stage, "extend", "tuesdays", "--by", "1h").exit_code != 0
    noted = ["--note", "encore"]
    for words in (["trigger", "tuesdays", "--lasts", "1h"], ["extend", "tuesdays", "--by", "1h"]):
        done = {"trigger": "begun", "extend": "extended"}[words[0]]
        assert lines(run(stage, *words, *noted))[0].startswith(f"{done}: tuesdays@")
    history = Api(stage.url, TOKEN).history("live.example.com/app/room1")["history"]
    notes = [line["about"]["note"] for line in history if "note" in line["about"]]
    assert notes == ["encore", "encore"]
    assert lines(run(stage, "delete", "tuesdays")) == ["tuesdays is deleted"]
    assert run(stage, "show", "tuesdays").exit_code != 0


def test_an_occurrence_has_its_times_in_the_zone_of_its_schedule(
    stage: HttpStage, file: Path
) -> None:
    """The person's own zone is another one."""
    run(stage, "apply", file, "--yes")
    first = "tuesdays@2099-01-06T19:00:00  from 2099-01-06 18:59:00+08:00 to 2099-01-06 21:00:00"

    def said(*words: str) -> list[str]:
        return lines(run(stage, *words, zone="America/New_York"))

    assert said("next", "tuesdays")[0].startswith(first)
    assert said("show", "tuesdays")[2].startswith(first)
    assert said("skip", "tuesdays")[0].startswith(f"skipped: {first}")
    for words in (["trigger", "tuesdays"], ["extend", "tuesdays", "--by", "1h"]):
        assert said(*words)[0].count("+08:00") == 3


def test_an_occurrence_of_a_stage_that_names_no_zone_has_the_persons_own() -> None:
    at = "2099-01-06T19:00:00Z"
    times = dict.fromkeys(("starts_at", "begins_at", "ends_at", "until"), at)
    changed = {"id": "daily", "occurrence": {"id": "daily@1", **times}, "pending": 0}

    with closing(Wire()) as wire, in_zone("Asia/Tokyo"):
        wire.script(json_reply(changed))
        words = ["schedule", "skip", "daily", "--token", TOKEN, "--url", f"http://{wire.endpoint}"]
        said = CliRunner().invoke(main, words).output

    assert said.count("2099-01-07 04:00:00+09:00") == 3


def test_how_many_streams_follow_is_said() -> None:
    at = "2099-01-06T19:00:00Z"
    times = dict.fromkeys(("starts_at", "begins_at", "ends_at", "until"), at)
    changed = {"id": "daily", "occurrence": {"id": "daily@1", **times}, "pending": 1200}
    options = ["--token", TOKEN, "--url"]

    with closing(Wire()) as wire:
        wire.script(json_reply(changed))
        words = ["schedule", "skip", "daily", *options, f"http://{wire.endpoint}"]
        said = CliRunner().invoke(main, words).output

    assert said.endswith("; streams that follow within a minute: 1200\n")


def test_a_schedule_is_shown_with_the_rehearsals_that_it_demands(
    stage: HttpStage, file: Path
) -> None:
    demand = 'rehearsed_within = "24h"\n'
    two = FILE.replace('app/room1"', 'app/room1", "live.example.com/other/x"')
    file.write_text(two.replace('pre_roll = "60s"\n', demand), encoding="utf-8")
    run(stage, "apply", file, "--yes")
    api, app, other = Api(stage.url, TOKEN), "live.example.com/app", "live.example.com/other"
    assert lines(run(stage, "show", "tuesdays"))[3:6] == [
        "  in the 1d before each occurrence, a rehearsal must end with GO",
        f"  {app}: not rehearsed yet",
        f"  {other}: not rehearsed yet",
    ]

    api.store_rehearsal(f"{app}/x", "go", "", "")
    api.store_rehearsal(f"{other}/x", "no-go", "no file", "live-record doctor")
    shown = lines(run(stage, "show", "tuesdays"))
    assert shown[4].startswith(f"  {app}: GO at 20")
    assert shown[5].startswith(f"  {other}: NO-GO at 20")
    assert (shown[5].endswith(": no file"), shown[6]) == (True, "  Next: live-record doctor")
    document = json.loads(run(stage, "show", "tuesdays", "--json").stdout)
    verdicts = {name: last["verdict"] for name, last in document["rehearsals"].items()}
    assert verdicts == {app: "go", other: "no-go"}
    assert lines(run(stage, "show", "gala"))[2].startswith(f"  {app}: GO at 20")


def test_why_names_the_schedule_and_until_when(stage: HttpStage, file: Path) -> None:
    run(stage, "apply", file, "--yes")
    run(stage, "trigger", "gala", "--lasts", "1h")
    options = ["--url", stage.url, "--token", TOKEN]

    said = CliRunner().invoke(main, ["why", "live.example.com/app/room2", *options]).output

    assert "the schedule gala asks for a recording until 20" in said


def test_why_says_that_a_stop_keeps_the_schedule_from_recording(
    stage: HttpStage, file: Path
) -> None:
    """The gala begins in an hour."""
    begins = datetime.now(timezone.utc) + timedelta(hours=1)
    ends = begins + timedelta(hours=1)
    text = FILE.replace("2099-02-01T12:00:00", f"{begins:%Y-%m-%dT%H:%M:%S}")
    file.write_text(text.replace("2099-02-01T15:00:00", f"{ends:%Y-%m-%dT%H:%M:%S}"))
    assert run(stage, "apply", file, "--yes").exit_code == 0
    api, stream = Api(stage.url, TOKEN), "live.example.com/app/room2"
    words = ["why", stream, "--url", stage.url, "--token", TOKEN]
    before = CliRunner().invoke(main, words).output
    api.ask(stream, "stop", hold="12h")
    after = CliRunner().invoke(main, words).output

    assert "the schedule gala begins at 20" in before
    assert "but will not be recorded while the explicit stop holds" not in before
    assert "but will not be recorded while the explicit stop holds" in after


def test_one_that_the_stage_cannot_read_is_named_until_it_is_written_again(
    stage: HttpStage, file: Path
) -> None:
    stage.app.store.put_schedule("gala", "{}", 0, replaces=None)
    without = file.with_name("without.toml")
    without.write_text("")
    for command in (("list",), ("export",), ("diff", without, "--prune")):
        assert "gala: the stage cannot read this schedule" in run(stage, *command).output
    assert json.loads(run(stage, "list", "--json").stdout)["unreadable"] == ["gala"]
    refused = run(stage, "delete", "gala")
    assert refused.exit_code == 1
    assert "write the schedule again with `live-record schedule apply`" in refused.output

    applied = run(stage, "apply", file, "--yes")
    assert (applied.exit_code, "cannot read" in applied.output) == (0, False)
    assert run(stage, "delete", "gala").exit_code == 0


def test_a_calendar_is_imported_once(stage: HttpStage) -> None:
    stream = ("--stream", "live.example.com/app/room2")
    tried = run(stage, "import", CALENDAR, *stream, "--dry-run")
    assert sum(line.startswith("+ ") for line in lines(tried)) == 5
    assert "Holiday is left out: it is an all-day event" in tried.output
    assert stage.app.store.schedules() == {}

    run(stage, "import", CALENDAR, *stream, "--yes")
    assert len(stage.app.store.schedules()) == 5
    again = json.loads(run(stage, "import", CALENDAR, *stream, "--dry-run", "--json").stdout)
    assert again["changes"] == []


def test_a_time_zone_that_is_no_name_of_the_database_is_refused(stage: HttpStage) -> None:
    words = ["import", str(CALENDAR), "--timezone", "CST", "--dry-run"]
    result = run(stage, *words)

    assert result.exit_code == 2
    assert "'--timezone': write a name of the IANA database" in result.stderr
    assert "请填写 IANA" in run(stage, *words, "--lang", "zh").stderr


def test_a_dry_run_refuses_what_the_import_would_refuse(stage: HttpStage, tmp_path: Path) -> None:
    event = CALENDAR.read_text(encoding="utf-8").replace("FREQ=DAILY", "FREQ=SECONDLY")
    (tmp_path / "secondly.ics").write_text(event, encoding="utf-8", newline="")

    tried = run(stage, "import", tmp_path / "secondly.ics", "--stream", ROOM, "--dry-run")

    assert tried.exit_code == 1
    assert "is not stored: MalformedParam: rrule" in tried.stderr


PATTERN = """
[[schedule]]
id = "cameras"
streams = ["push.example.com/app/cam*"]
start = 2099-02-01T12:00:00
end = 2099-02-01T15:00:00
timezone = "UTC"
"""


def test_a_pattern_is_shown_with_the_streams_that_it_fits(stage: HttpStage, file: Path) -> None:
    file.write_text(PATTERN, encoding="utf-8")
    written = "+ cameras: 2099-02-01T12:00:00 - 2099-02-01T15:00:00 UTC"
    fits = "  push.example.com/app/cam*: fits 2 streams now: cam1, cam2"
    api = Api(stage.url, TOKEN)
    for name in ("cam1", "cam2", "room1"):
        api.ask(f"live.example.com/app/{name}", "start")

    assert lines(run(stage, "diff", file)) == [written, fits]
    assert lines(run(stage, "apply", file, "--yes")) == [
        written,
        fits,
        "cameras: next occurrence at 2099-02-01 12:00:00+00:00",
        "  2 starts take less than 1 s at 12:00 (UTC)",
    ]

    exported = run(stage, "export")
    assert 'streams = ["live.example.com/app/cam*"]' in exported.output
    assert 'expect = "any"' in exported.output
    file.write_text(exported.stdout, encoding="utf-8")
    assert lines(run(stage, "diff", file)) == ["Nothing changes."]
    assert "  fits 2 streams now: cam1, cam2" in lines(run(stage, "show", "cameras"))
    assert lines(run(stage, "list"))[0].endswith("  1 pattern")


@pytest.mark.parametrize("command", ["apply", "diff", "import"])
def test_a_file_without_a_schedule_is_called_so(
    stage: HttpStage, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "none"
    calendar = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "END:VCALENDAR", "")
    file.write_text("\r\n".join(calendar) if command == "import" else "", encoding="utf-8")
    result = run(stage, command, file)
    assert "The file names no schedule." in result.stderr
    assert result.exit_code == 0

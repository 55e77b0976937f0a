"""Calendars that two foreign libraries wrote become the schedules that they mean.

tests/fixtures/calendars has them: `icalendar.ics` by icalendar 7.3, `vobject.ics` by vobject 0.9,
each from the events that these tests name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cli.api import Json
from cli.calendar_file import read_calendar
from cli.errors import Failure
from shared.schedule.recurrence import occurrences
from shared.schedule.schedule import Schedule
from tests.repository.rooms import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "calendars"
ROOM1, ROOM2 = "live.example.com/app/room1", "live.example.com/app/room2"


def read(name: str, *streams: str, timezone: str = "") -> tuple[Mapping[str, Json], list[str]]:
    found, skipped = read_calendar(FOLDER / name, streams=streams, timezone=timezone)
    return found, list(skipped)


def starts(fields: Json) -> list[str]:
    """Return the local times at which the occurrences of a schedule start."""
    names = ("start", "end", "timezone", "rrule")
    known = {name: fields[name] for name in names}
    schedule = Schedule(
        id="s", streams=("a/b/c",), exdates=tuple(fields["exdates"]), overrun=0, **known
    )
    return [one.id.partition("@")[2] for one in occurrences(schedule, ends_after=0, limit=99)]


def test_a_weekly_event_is_a_schedule_without_the_dates_that_are_excluded_or_moved() -> None:
    found, _ = read("icalendar.ics", ROOM2)
    weekly = found["tuesdays-example.com"]

    assert (weekly["title"], weekly["timezone"]) == ("Tuesday show", "Asia/Shanghai")
    assert (weekly["start"], weekly["end"]) == ("2028-01-04T19:00:00", "2028-01-04T21:00:00")
    assert weekly["streams"] == [ROOM1, ROOM2]
    days = [start[5:10] for start in starts(weekly)]
    assert days == ["01-04", "01-11", "01-25", "02-08", "02-15", "02-22", "02-29"]


def test_a_moved_occurrence_is_a_schedule_of_its_own() -> None:
    found, _ = read("icalendar.ics", ROOM2)
    moved = found["tuesdays-example.com-2028-02-01t200000"]

    assert (moved["start"], moved["end"], moved["rrule"]) == (
        "2028-02-01T20:00:00",
        "2028-02-01T23:00:00",
        "",
    )
    assert moved["streams"] == [ROOM1]


@pytest.mark.parametrize("file", ["icalendar.ics", "vobject.ics"])
def test_a_daily_event_keeps_its_local_time_over_the_change_of_clocks(file: str) -> None:
    found, _ = read(file, ROOM2, timezone="America/New_York")
    daily = found["daily-example.com"]

    assert (daily["timezone"], daily["end"][11:]) == ("America/New_York", "08:15:00")
    assert starts(daily) == [f"2028-03-{day}T07:30:00" for day in range(10, 15)]


def test_a_single_event_takes_the_stream_that_is_passed_and_a_further_date_is_another() -> None:
    found, _ = read("icalendar.ics", ROOM2)
    gala, again = found["once-example.com"], found["once-example.com-2028-03-02t120000"]

    assert (gala["timezone"], gala["streams"]) == ("UTC", [ROOM2])
    assert starts(gala) == ["2028-02-29T12:00:00"]
    assert (starts(again), again["end"]) == (["2028-03-02T12:00:00"], "2028-03-02T15:00:00")


def test_what_becomes_no_schedule_is_named_with_its_reason() -> None:
    _, (no_stream, *others) = read("icalendar.ics")

    assert no_stream.startswith("Gala is left out: it names no stream: pass `--stream`, or add")
    assert others == [
        "Holiday is left out: it is an all-day event: give it a time of day",
        "Called off is left out: it is cancelled",
    ]


def test_a_zone_that_is_no_name_of_the_database_has_to_be_passed() -> None:
    found, skipped = read("vobject.ics")

    assert found == {}
    assert all("pass `--timezone`" in line for line in skipped)
    weekly = read("vobject.ics", timezone="Asia/Shanghai")[0]["tuesdays-example.com"]
    assert [start[5:] for start in starts(weekly)][:3] == [
        "01-04T19:00:00",
        "01-11T19:00:00",
        "01-25T19:00:00",
    ]


SERIES = """
BEGIN:VEVENT
UID:series@example.com
SUMMARY:Series
DTSTART;TZID=Asia/Shanghai:20280104T190000
DTEND;TZID=Asia/Shanghai:20280104T210000
{more}
END:VEVENT
"""
WEEKLY = "RRULE:FREQ=WEEKLY;BYDAY=TU"
LATER = """
BEGIN:VEVENT
UID:series@example.com
SUMMARY:Series, later
DTSTART;TZID=Asia/Shanghai:20280118T200000
DTEND;TZID=Asia/Shanghai:20280118T220000
RECURRENCE-ID;TZID=Asia/Shanghai{range}:20280118T190000
{more}
END:VEVENT
"""


def read_text(folder: Path, *events: str) -> tuple[Mapping[str, Json], Sequence[str]]:
    text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//a//b//\n" + "".join(events)
    lines = [line for line in f"{text}\nEND:VCALENDAR\n".splitlines() if line]
    (folder / "a.ics").write_text("\r\n".join(lines), encoding="utf-8")
    return read_calendar(folder / "a.ics", streams=[ROOM1], timezone="")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("RRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY", "several recurrence rules"),
        (f"{WEEKLY}\nEXRULE:FREQ=MONTHLY;BYMONTHDAY=4", "excludes dates by a rule"),
        ("RDATE;VALUE=PERIOD:20280105T110000Z/PT1H", "has its own length"),
    ],
)
def test_what_no_schedule_can_say_is_left_out(tmp_path: Path, more: str, reason: str) -> None:
    found, (skipped,) = read_text(tmp_path, SERIES.format(more=more))

    assert found == {}
    assert skipped.startswith("Series is left out: ")
    assert reason in skipped


def test_lines_of_the_description_set_other_fields(tmp_path: Path) -> None:
    lines = r"DESCRIPTION:Bring cake\nlive-record.late_after: 300s\nlive-record.overrun: none"
    lines += r"\nlive-record.coverage_target: 99.5"
    found, skipped = read_text(tmp_path, SERIES.format(more=lines))

    fields = found["series-example.com"]
    assert (fields["late_after"], fields["overrun"], fields["pre_roll"]) == ("5m", "none", "none")
    assert (fields["coverage_target"], fields["streams"], skipped) == (99.5, [ROOM1], [])


def test_a_line_that_sets_an_unknown_field_leaves_the_event_out(tmp_path: Path) -> None:
    more = "DESCRIPTION:live-record.late: 5m"
    found, skipped = read_text(tmp_path, SERIES.format(more=more))

    assert found == {}
    assert skipped == [
        "Series is left out: it sets late, which is unknown: correct or remove this line"
    ]


def test_a_change_of_all_later_occurrences_leaves_the_series_out(tmp_path: Path) -> None:
    changed = LATER.format(range=";RANGE=THISANDFUTURE", more="")
    found, skipped = read_text(tmp_path, SERIES.format(more=WEEKLY), changed)

    assert found == {}
    assert [line.partition(" is left out: ")[0] for line in skipped] == ["Series", "Series, later"]
    assert all("all later occurrences" in line for line in skipped)


def test_an_occurrence_that_the_calendar_cancels_is_an_excluded_date(tmp_path: Path) -> None:
    cancelled = LATER.format(range="", more="STATUS:CANCELLED")
    found, (skipped,) = read_text(tmp_path, SERIES.format(more=f"{WEEKLY};COUNT=4"), cancelled)

    assert skipped == "Series, later is left out: it is cancelled"
    days = [start[5:10] for start in starts(found["series-example.com"])]
    assert days == ["01-04", "01-11", "01-25"]


def test_the_same_calendar_gives_the_same_ids_again() -> None:
    assert read("icalendar.ics", ROOM1) == read("icalendar.ics", ROOM1)


def test_a_file_that_is_no_calendar_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.ics"
    file.write_text("BEGIN:VEVENT\nhello", encoding="utf-8")

    with pytest.raises(Failure, match="is not a calendar"):
        read_calendar(file, streams=(), timezone="")
    with pytest.raises(Failure, match="cannot be read"):
        read_calendar(tmp_path / "none.ics", streams=(), timezone="")


def test_an_event_may_name_a_pattern() -> None:
    found, _ = read("icalendar.ics", "live.example.com/app/cam*")

    assert found["once-example.com"]["streams"] == ["live.example.com/app/cam*"]
    assert found["once-example.com"]["expect"] == "any"

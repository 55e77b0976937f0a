"""When the occurrences of a schedule are, compared with calendars that are counted by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.protocol.events import HOUR_MS
from shared.schedule.recurrence import (
    exdate,
    faults_of,
    instant,
    local,
    occurrences,
    rule_text,
    zone,
)
from shared.schedule.schedule import Schedule

pytestmark = pytest.mark.slow

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
TUESDAYS = Schedule(
    id="tuesdays",
    streams=("live.example.com/app/room1",),
    start="2028-01-04T19:00:00",
    end="2028-01-04T21:00:00",
    timezone=SHANGHAI,
    rrule="FREQ=WEEKLY;BYDAY=TU",
    pre_roll=60_000,
    post_roll=30_000,
)
NEW_YEAR = instant(datetime(2028, 1, 1), "UTC")  # noqa: DTZ001 - a local time


EVERY_DAY = ",".join(map(str, range(1, 32)))


def starts(schedule: Schedule, number: int = 400, after: int = NEW_YEAR) -> list[datetime]:
    """Return the local times at which its next occurrences are announced to start."""
    found = occurrences(schedule, ends_after=after, limit=number)
    tz = ZoneInfo(schedule.timezone)
    return [datetime.fromtimestamp(one.starts_at / 1000, tz) for one in found]


def test_a_year_of_tuesdays_is_every_tuesday_at_seven() -> None:
    of_year = [at for at in starts(TUESDAYS, 60) if at.year == 2028]

    days = (date(2028, 1, 1) + timedelta(days=number) for number in range(366))
    assert [at.date() for at in of_year] == [day for day in days if day.weekday() == 1]
    assert {(at.hour, at.minute, at.second) for at in of_year} == {(19, 0, 0)}
    assert {at.utcoffset() for at in of_year} == {timedelta(hours=8)}


def test_seven_stays_seven_when_clocks_change() -> None:
    daily = replace(TUESDAYS, timezone=NEW_YORK, rrule="FREQ=DAILY")
    of_year = [at for at in starts(daily) if at.year == 2028]

    assert len(of_year) == 366 - 3
    assert {at.hour for at in of_year} == {19}
    assert {at.utcoffset() for at in of_year} == {timedelta(hours=-5), timedelta(hours=-4)}


def test_a_time_that_clocks_skip_counts_by_the_offset_before() -> None:
    # On 2028-03-12 New York's clocks go from 02:00 to 03:00.
    assert instant(local("2028-03-12T02:30:00"), NEW_YORK) == instant(
        local("2028-03-12T07:30:00"), "UTC"
    )


def test_of_a_time_that_occurs_twice_it_is_the_first() -> None:
    # On 2028-11-05 New York's clocks go from 02:00 back to 01:00.
    assert instant(local("2028-11-05T01:30:00"), NEW_YORK) == instant(
        local("2028-11-05T05:30:00"), "UTC"
    )


def test_leap_day_occurs_in_leap_years() -> None:
    leap = replace(
        TUESDAYS, start="2028-02-29T19:00:00", end="2028-02-29T20:00:00", rrule="FREQ=YEARLY"
    )

    assert [at.year for at in starts(leap, 3)] == [2028, 2032, 2036]


def test_an_occurrence_lasts_from_pre_roll_to_its_limit() -> None:
    first = occurrences(TUESDAYS, ends_after=NEW_YEAR, limit=1)[0]
    starts_at = instant(local("2028-01-04T19:00:00"), SHANGHAI)

    assert first.id == "tuesdays@2028-01-04T19:00:00"
    assert (first.starts_at, first.begins_at) == (starts_at, starts_at - 60_000)
    assert first.ends_at == starts_at + 2 * HOUR_MS + 30_000
    assert first.until == first.ends_at + 2 * HOUR_MS


def test_without_a_rule_there_is_one() -> None:
    assert len(starts(replace(TUESDAYS, rrule=""))) == 1
    assert starts(replace(TUESDAYS, rrule=""), after=NEW_YEAR + 9 * 24 * HOUR_MS) == []


@pytest.mark.parametrize("excluded", ["2028-01-11", "2028-01-11T19:00", "2028-01-11T19:00:00"])
def test_an_excluded_date_is_left_out(excluded: str) -> None:
    found = starts(replace(TUESDAYS, exdates=(excluded,)), 2)

    assert [at.day for at in found] == [4, 18]


def test_an_end_in_utc_is_meant_as_such() -> None:
    # 11:00 in UTC is 19:00 in Shanghai: the third occurrence is the last.
    until = replace(TUESDAYS, rrule="FREQ=WEEKLY;BYDAY=TU;UNTIL=20280118T110000Z")

    assert [at.day for at in starts(until)] == [4, 11, 18]


def test_a_count_counts_from_the_first() -> None:
    assert len(starts(replace(TUESDAYS, rrule="FREQ=DAILY;COUNT=3"))) == 3
    later = NEW_YEAR + 5 * 24 * HOUR_MS
    assert len(starts(replace(TUESDAYS, rrule="FREQ=DAILY;COUNT=3"), after=later)) == 1


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("end", {"end": "2028-01-04T19:00:00"}),
        ("end", {"end": "2028-01-05T19:00:00"}),
        ("rrule", {"rrule": "FREQ=WEEKLY;BYDAY=XX"}),
        ("rrule", {"rrule": "FREQ=DAILY;INTERVAL=7;BYDAY=MO"}),
        ("rrule", {"rrule": "FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=2"}),
        ("start", {"start": "0001-01-01T10:00:00", "end": "0001-01-01T11:00:00"}),
        ("start", {"start": "1969-12-31T22:00:00", "end": "1969-12-31T23:00:00"}),
        ("start", {"start": "9999-12-31T22:00:00", "end": "9999-12-31T23:00:00"}),
        ("rrule", {"rrule": "FREQ=DAILY;COUNT=5001;BYHOUR=8,20"}),
        ("rrule", {"rrule": f"FREQ=MONTHLY;BYMONTHDAY={EVERY_DAY};BYHOUR=8,20"}),
        ("rrule", {"rrule": f"FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE={','.join(map(str, range(17)))}"}),
    ],
)
def test_what_cannot_be_meant_is_refused(field: str, change: dict[str, str]) -> None:
    faults = list(faults_of(replace(TUESDAYS, **change), longest_ms=12 * HOUR_MS))

    assert [fault.field for fault in faults] == [field]


def test_what_can_be_meant_has_no_fault() -> None:
    assert list(faults_of(TUESDAYS, longest_ms=12 * HOUR_MS)) == []


@pytest.mark.parametrize("text", ["2028-02-30T10:00", "tomorrow", "2028-01-01T10:00Z"])
def test_what_is_no_local_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^write a (local )?time"):
        local(text)


def test_a_zone_and_a_rule_are_checked() -> None:
    with pytest.raises(ValueError, match="IANA"):
        zone("Mars/Base")
    with pytest.raises(ValueError, match="IANA"):
        zone("../secret")
    with pytest.raises(ValueError, match="set `FREQ` to one of YEARLY, "):
        rule_text("FREQ=SECONDLY")
    with pytest.raises(ValueError, match="RFC 5545"):
        rule_text("every tuesday")
    with pytest.raises(ValueError, match="leave out `BYMONTHDAY`"):
        rule_text("FREQ=DAILY;BYMONTHDAY=30")
    assert exdate("2028-01-01") == "2028-01-01"


def test_a_rule_ends_before_the_last_year_there_is() -> None:
    """Once the list of its occurrences was answered with 500."""
    rare = replace(TUESDAYS, start="2029-12-31T22:00:00", end="2029-12-31T23:00:00")
    rare = replace(rare, timezone=NEW_YORK, rrule="FREQ=YEARLY;INTERVAL=10")

    assert len(starts(rare, number=2_000)) == (9989 - 2029) // 10 + 1


@given(
    st.integers(1970, 2030),
    st.integers(0, 20_000),
    st.sampled_from(["DAILY", "WEEKLY"]),
    st.integers(1, 40),
    st.sampled_from(["", ";BYDAY=MO,SA", ";BYMONTH=2,7", ";BYHOUR=3,23;BYMINUTE=0,59", ";WKST=SU"]),
)
def test_what_is_long_past_changes_no_later_occurrence(
    year: int, days: int, frequency: str, interval: int, more: str
) -> None:
    """The library would step through all of it; schedules begin the rule later."""
    rule = f"FREQ={frequency};INTERVAL={interval}{more}"
    begin = datetime(year, 3, 1, 12)  # noqa: DTZ001 - a local time
    schedule = Schedule(
        id="x",
        streams=("live.example.com/app/room1",),
        start=begin.isoformat(),
        end=(begin + timedelta(hours=1)).isoformat(),
        timezone="UTC",
        rrule=rule,
        overrun=0,
    )
    after = begin + timedelta(days=days)

    every = (at for at in rrulestr(rule, dtstart=begin) if at + timedelta(hours=1) > after)
    assert [at.replace(tzinfo=None) for at in starts(schedule, 5, instant(after, "UTC"))] == list(
        islice(every, 5)
    )


@given(
    st.integers(0, 365),
    st.sampled_from([SHANGHAI, NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe"]),
    st.integers(0, 23),
    st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), unique=True, min_size=1),
)
def test_each_weekly_rule_gives_the_days_of_a_calendar(
    day: int, name: str, hour: int, days: list[str]
) -> None:
    names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    weekly = replace(
        TUESDAYS,
        timezone=name,
        start=f"2028-01-01T{hour:02}:00:00",
        end=f"2028-01-01T{hour:02}:30:00",
        rrule=f"FREQ=WEEKLY;BYDAY={','.join(days)}",
        overrun=0,
        pre_roll=0,
        post_roll=0,
    )
    since = datetime(2028, 1, 1, tzinfo=timezone.utc) + timedelta(days=day)

    found = occurrences(weekly, ends_after=round(since.timestamp() * 1000), limit=10)

    every = (datetime(2028, 1, 1, hour) + timedelta(days=number) for number in range(470))  # noqa: DTZ001 - a local time
    due = [at.replace(tzinfo=ZoneInfo(name)) for at in every if names[at.weekday()] in days]
    expected = [at for at in due if at + timedelta(minutes=30) > since][:10]
    assert [one.starts_at for one in found] == [round(at.timestamp() * 1000) for at in expected]

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.protocol.durations import duration, instant, rfc3339, stored_duration, written

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("4h", 4 * HOUR_MS),
        ("90m", 90 * 60_000),
        ("12h30m", 12 * HOUR_MS + 30 * 60_000),
        ("180s", 180_000),
        ("1d", 24 * HOUR_MS),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: object, ms: int) -> None:
    assert duration(text) == ms


@pytest.mark.parametrize(
    "nonsense", ["", "h", "1h1h", "30m1h", "-4h", "4 h", -1, True, 1.5, None, "٣h", "9" * 999]
)
def test_a_duration_that_makes_no_sense_is_refused(nonsense: object) -> None:
    with pytest.raises(ValueError, match="write a duration like"):
        duration(nonsense)


@pytest.mark.parametrize("bare", ["4", 4], ids=["text", "number"])
def test_a_duration_without_a_unit_is_refused_with_the_units_it_may_have(bare: object) -> None:
    with pytest.raises(ValueError, match="write a unit: `4s`, `4m` or `4h`"):
        duration(bare)
    assert stored_duration(bare) == 4000


@pytest.mark.parametrize("zero", ["0s", "0m", "0h0m", 0])
def test_no_time_at_all_is_refused_as_such_not_for_its_form(zero: object) -> None:
    with pytest.raises(ValueError, match=r"^has to be longer than `0s`$"):
        duration(zero)


@pytest.mark.parametrize("text", ["3651d", "999999999h"])
def test_a_duration_that_is_too_long_is_refused_with_the_longest(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is longer than 3650d, the longest duration$"):
        duration(text)


@given(st.integers(1, 3650 * 86_400))
def test_a_duration_reads_back_what_it_writes(seconds: int) -> None:
    assert duration(written(seconds * 1000)) == seconds * 1000


def test_an_age_by_another_clock_is_never_negative() -> None:
    assert written(-4200) == "0s"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-01-20T10:00:00Z", 1737367200000),
        ("2025-01-20t18:00:00+08:00", 1737367200000),
        ("2025-01-20 04:30:00.5-05:30", 1737367200500),
        ("2025-01-20T10:00:00.1239Z", 1737367200123),
    ],
)
def test_an_instant_is_read_in_any_offset(text: str, ms: int) -> None:
    assert instant(text) == ms


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "2025-01-20",
        "2025-01-20T10:00:00",
        "2025-02-30T10:00:00Z",
        "2025-01-20T10:00:00+24:00",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-00:01",
        1,
    ],
)
def test_an_instant_without_an_offset_or_sense_is_refused(nonsense: object) -> None:
    with pytest.raises(ValueError, match=r"^write (the|a) time"):
        instant(nonsense)


@given(st.text())
def test_only_a_value_error_leaves_either_reader(text: str) -> None:
    for read in (duration, instant):
        with suppress(ValueError):
            read(text)


@given(st.integers(0, 253402300799999))
def test_an_instant_reads_back_what_it_writes(ms: int) -> None:
    assert instant(rfc3339(ms)) == ms


def test_an_instant_is_written_without_an_empty_fraction() -> None:
    assert rfc3339(1737367200000) == "2025-01-20T10:00:00Z"
    assert rfc3339(1737367200005) == "2025-01-20T10:00:00.005Z"

"""Many streams of schedules that begin at one minute, through the deployed functions in virtual
time."""

from __future__ import annotations

import pytest

from tests.simulation.scheduled_burst import burst

pytestmark = pytest.mark.slow


def test_all_starts_of_a_minute_are_sent_within_the_time_that_the_answer_said() -> None:
    found = burst(60, of_one=25)

    assert found.said == "60 starts take 1.3 s at 08:30 (UTC)"
    assert found.started == 60
    assert 0 <= found.first_s < 1
    assert found.last_s <= found.take_s + 2

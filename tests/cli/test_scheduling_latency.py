"""A busy machine is distinguished from a slow program."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator

import pytest

from cli.local.scheduling_latency import STEP_S, SchedulingLatency

pytestmark = pytest.mark.slow


@pytest.fixture
def alone() -> Iterator[None]:
    """No other thread of this process gets to run while one computes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(10)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("alone")
def test_how_long_it_stood_still_is_the_longest_of_the_times() -> None:
    with SchedulingLatency() as latency:
        for seconds in (0.05, 0.2, 0.1):
            time.sleep(0.05)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                pass
    assert latency.longest_ms >= 180


def test_where_it_never_stood_still_it_says_so() -> None:
    readings = (STEP_S * count for count in itertools.count())
    with SchedulingLatency(lambda: next(readings)) as latency:
        time.sleep(0.1)
    assert latency.longest_ms == 0

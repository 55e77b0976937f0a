"""Trying again: as often as it is asked for, never past the deadline, and cheap when it is not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.retry import Deadline, wait, while_again


class Time:
    """A clock that only sleeping and working move."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


def answers(*pauses: int | None) -> tuple[list[int | None], Callable[[], int | None]]:
    """Return a step that returns these values in turn, and the list of those returned so far."""
    to_come, given = iter(pauses), list[int | None]()

    def step() -> int | None:
        given.append(next(to_come))
        return given[-1]

    return given, step


def as_said(pause: int | None) -> int | None:
    return pause


def test_a_deadline_counts_down_to_nothing(clock: Time) -> None:
    deadline = Deadline.after(2.5, clock=clock)
    assert (deadline.left(), deadline.passed()) == (2.5, False)
    clock.now += 2.5
    assert (deadline.left(), deadline.passed()) == (0, True)
    clock.now += 1
    assert deadline.left() == 0


def test_what_is_done_is_not_repeated(clock: Time) -> None:
    given, step = answers(None, 5)
    assert while_again(step, as_said, Deadline.after(9, clock=clock), sleep=clock.sleep) is None
    assert (given, clock.slept) == ([None], [])


def test_a_step_is_repeated_after_each_pause_until_it_is_done(clock: Time) -> None:
    given, step = answers(200, 0, 1500, None, 7)
    assert while_again(step, as_said, Deadline.after(9, clock=clock), sleep=clock.sleep) is None
    assert given == [200, 0, 1500, None]
    assert clock.now == 101.7


@pytest.mark.parametrize("too_long", [1000, 1001, 60_000])
def test_a_pause_that_the_deadline_does_not_outlast_is_not_begun(
    clock: Time, too_long: int
) -> None:
    given, step = answers(too_long, None)
    deadline = Deadline.after(1, clock=clock)
    assert while_again(step, as_said, deadline, sleep=clock.sleep) == too_long
    assert (given, clock.slept) == ([too_long], [])


def test_a_later_pause_is_held_against_what_is_left(clock: Time) -> None:
    given, step = answers(600, 500, None)
    deadline = Deadline.after(1, clock=clock)
    assert while_again(step, as_said, deadline, sleep=clock.sleep) == 500
    assert (given, clock.slept) == ([600, 500], [0.6])


def test_the_time_that_the_step_itself_takes_counts(clock: Time) -> None:
    def step() -> int:
        clock.now += 0.4
        return 100

    deadline = Deadline.after(1, clock=clock)
    assert while_again(step, lambda ms: ms, deadline, sleep=clock.sleep) == 100
    assert clock.slept == [0.1]


def test_a_step_that_always_wants_to_be_repeated_at_once_ends_with_the_deadline(
    clock: Time,
) -> None:
    def step() -> int:
        clock.now += 0.25
        return 0

    assert while_again(step, lambda ms: ms, Deadline.after(1, clock=clock)) == 0
    assert clock.now == 101


@pytest.mark.parametrize("good", [0, 1, 2])
def test_what_a_step_raises_is_let_through(clock: Time, good: int) -> None:
    steps = iter([10] * good)

    def step() -> int:
        for pause in steps:
            return pause
        raise LookupError

    deadline = Deadline.after(9, clock=clock)
    with pytest.raises(LookupError):
        while_again(step, lambda ms: ms, deadline, sleep=clock.sleep)
    assert clock.slept == [0.01] * good


def test_waiting_takes_real_time_where_no_other_is_given() -> None:
    begun = time.monotonic()
    wait(0.02)
    assert time.monotonic() - begun >= 0.02


@pytest.mark.parametrize("seconds", [0, -1.5])
def test_there_is_no_waiting_for_what_is_past(clock: Time, seconds: float) -> None:
    wait(seconds, sleep=clock.sleep)
    assert clock.slept == []


ONCE = """
import sys, time
from shared.retry import Deadline, while_again
deadline = Deadline.after(1, clock=time.monotonic)
while_again(lambda: 1, lambda _: None, deadline)
while_again(lambda: 1, lambda _: 5000, deadline)
print("tenacity" in sys.modules)
"""


def test_a_step_that_is_not_repeated_does_not_pay_for_repetition() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ONCE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stdout == "False\n"

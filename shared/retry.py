"""Repeats calls until a deadline, and waits. No other module of `shared` or `functions` sleeps.

It catches no exception: the caller decides what to repeat, and when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")
Clock = Callable[[], float]
"""A monotonic clock, in seconds."""
Sleep = Callable[[float], None]


class Deadline(Struct, frozen=True):
    """The end of a time budget. `at` is in seconds, as `clock` counts them."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, *, clock: Clock) -> Deadline:
        return cls(clock() + seconds, clock)

    def left(self) -> float:
        return max(0.0, self.at - self.clock())

    def passed(self) -> bool:
        return self.left() == 0


class Throttle:
    """Lets a call of this process pass only if the last one that passed is at least `interval_s`
    seconds ago."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._free_at: float | None = None

    def may_pass(self, now: float) -> bool:
        """Return True if a call may pass at `now` (in s), and count it as the last one that
        passed."""
        if self._free_at is not None and now < self._free_at:
            return False
        self._free_at = now + self._interval_s
        return True


def wait(seconds: float, *, sleep: Sleep = time.sleep) -> None:  # noqa: TID251 - this is the place
    if seconds > 0:
        sleep(seconds)


def while_again(
    step: Callable[[], T],
    retry_in: Callable[[T], int | None],
    deadline: Deadline,
    *,
    sleep: Sleep = wait,
) -> T:
    """Call `step` until `retry_in` returns None, or until the pause that it returns would end after
    the deadline. Return the last result of `step`.

    `retry_in` gets the result, and returns the pause until the next call in ms, or None to stop.
    Exceptions of `step` are passed on.
    """
    first = step()
    pause = retry_in(first)
    if pause is None or pause / 1000 >= deadline.left():
        return first
    return _repeat(_from(first, step), retry_in, deadline, sleep)


def _from(first: T, step: Callable[[], T]) -> Iterator[T]:
    yield first
    while True:
        yield step()


def _repeat(
    steps: Iterator[T], retry_in: Callable[[T], int | None], deadline: Deadline, sleep: Sleep
) -> T:
    """Repeat with tenacity. It is imported here, because the import takes 10 to 27 ms
    (docs/platform/sdk.md §D) and most callbacks never repeat."""
    from tenacity import RetryCallState, Retrying, retry_if_result

    def result(state: RetryCallState) -> T:
        assert state.outcome is not None  # noqa: S101 - tenacity asks after an attempt only
        returned: T = state.outcome.result()
        return returned

    again = Retrying(
        retry=retry_if_result(lambda returned: retry_in(returned) is not None),
        wait=lambda state: (retry_in(result(state)) or 0) / 1000,
        stop=lambda state: state.upcoming_sleep >= deadline.left(),
        retry_error_callback=result,
        sleep=sleep,
    )
    last: T = again(next, steps)
    return last

"""Asks a stage again until it has an answer, or until the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 1.0


def poll(
    ask: Callable[[], T],
    is_done: Callable[[T], bool],
    *,
    wait_s: float,
    every_s: float = LOOK_EVERY_S,
) -> T:
    """Return the first answer that is done, or else the first one that comes after `wait_s`."""
    end = time.monotonic() + wait_s
    while True:
        answer = ask()
        left_s = end - time.monotonic()
        if is_done(answer) or left_s <= 0:
            return answer
        time.sleep(min(every_s, left_s))

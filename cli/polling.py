"""Asks a stage again and again until it has an answer, or until the time is up."""

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
    """Call `ask` every `every_s` seconds until `is_done` accepts its answer, and return this
    answer. Once `wait_s` seconds have passed, call `ask` a last time and return what it answers."""
    end = time.monotonic() + wait_s
    while True:
        answer = ask()
        left_s = end - time.monotonic()
        if is_done(answer) or left_s <= 0:
            return answer
        time.sleep(min(every_s, left_s))

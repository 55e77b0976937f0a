"""When a stand-in that runs as a program is to end."""

from __future__ import annotations

import asyncio
import os
import signal

INPUT = 0
OPTION = "--until-input-ends"
MEANS = "end with standard input, and so with whoever started it, however that ended"


def told_to_end(*, with_input: bool) -> asyncio.Event:
    """Set by SIGTERM and SIGINT; `with_input` also when standard input, a pipe, is closed."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if with_input:
        loop.add_reader(INPUT, _look, loop, told)
    return told


def _look(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    if not os.read(INPUT, 1024):
        loop.remove_reader(INPUT)
        told.set()

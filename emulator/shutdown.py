"""The shutdown signal of an emulator that runs as a program.

The `run` functions of emulator.fc and emulator.live await it.
It must not know what is being shut down.
"""

from __future__ import annotations

import asyncio
import os
import signal

STDIN_FD = 0
OPTION = "--until-input-ends"
OPTION_HELP = "end with standard input, and so with whoever started it, however that ended"


def shutdown_event(*, with_input: bool) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set.

    With `with_input`, the end of standard input, which must be a pipe, also sets the event.
    """
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    if with_input:
        loop.add_reader(STDIN_FD, _check_input, loop, event)
    return event


def _check_input(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    if not os.read(STDIN_FD, 1024):
        loop.remove_reader(STDIN_FD)
        event.set()

"""Handles signals during a rehearsal: the first one ends its steps, but not its clean-up.

The rehearse command uses the class. A second signal ends the command at once; the next rehearsal
then removes what is left.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from cli.ending_signals import ending_signals

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self  # typing has it from 3.11 on


class Interruption:
    """A context manager for the signals that end the command, such as Ctrl-C. Within the block, the
    first signal raises KeyboardInterrupt; after a call of `protect`, it only sets `came`. The
    second signal always raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.came = False
        self._protects = False

    def __enter__(self) -> Self:
        numbers = (signal.SIGINT, *ending_signals())
        self._before = {number: signal.signal(number, self._on) for number in numbers}
        return self

    def __exit__(self, *_raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def protect(self) -> None:
        self._protects = True

    def unprotect(self) -> None:
        self._protects = False

    def _on(self, _number: int, _frame: FrameType | None) -> None:
        is_second, self.came = self.came, True
        if not is_second:
            line = _("Removing what the rehearsal has made. Press Ctrl-C again to end at once.")
            with suppress(OSError):  # the terminal may be gone
                click.echo(line, err=True)
        if is_second or not self._protects:
            raise KeyboardInterrupt

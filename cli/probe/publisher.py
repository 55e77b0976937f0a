"""The publishers of the test stream: the emulator's control plane, a program, or a person.

The test stream calls this module. A publisher also reports Live's clock, since the emulator's can
be moved.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from gettext import gettext as _
from typing import Protocol

import click

from emulator.live import Remote, Unfit

END_TIMEOUT_S = 10.0
"""Time limit for a program to end after SIGTERM."""


class Publisher(Protocol):
    def publish(self) -> None: ...
    def unpublish(self) -> None: ...
    def let_pass(self, seconds: float) -> None:
        """Wait until so many seconds of Live's time have passed."""
        ...

    def now(self) -> float:
        """Return Live's time, in seconds since the epoch."""
        ...


class EmulatorPublisher:
    def __init__(self, address: str, domain: str, app: str, stream: str) -> None:
        self.control = Remote(address, domain=domain, app=app)
        self.stream = stream

    def publish(self) -> None:
        self.control.publish(self.stream)

    def unpublish(self) -> None:
        try:
            self.control.unpublish(self.stream)
        except Unfit:
            return  # it is not being published

    def let_pass(self, seconds: float) -> None:
        self.control.advance(seconds)

    def now(self) -> float:
        return float(self.control.get("clock")["now_ms"]) / 1000


class ProgramPublisher:
    """Runs a command line that pushes until it is terminated, like ffmpeg."""

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)
        self._running: subprocess.Popen[bytes] | None = None

    def publish(self) -> None:
        self._running = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def unpublish(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.terminate()
        try:
            running.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def let_pass(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.time()


class ManualPublisher:
    def __init__(self, address: str) -> None:
        self._address = address
        self._pushes = False

    def publish(self) -> None:
        sentence = _("Push now to {address} (with an `auth_key` if the domain requires one).")
        click.echo(sentence.format(address=self._address))
        click.pause(_("Press any key once the push has begun."))
        self._pushes = True

    def unpublish(self) -> None:
        if self._pushes:
            click.pause(_("Stop the push now, and press any key once it has stopped."))
            self._pushes = False

    def let_pass(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.time()

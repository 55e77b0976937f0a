"""Ends a child process together with the process that started it, even if the starter is killed.

The local Redis, the benchmarks and the tests use this module. Code that ends the child itself must
release its tether first.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

_WAIT_AND_KILL = 'cat; kill -s KILL -- "-$0"'
"""`cat` ends once no process holds the other end of its input any more."""
_INTERRUPTED_S = 10.0
"""How long an interrupted child has to tidy up before it is killed."""


class Tether:
    """A guard that kills the child's process group once this process is gone.

    The child must lead a process group of its own: start it with `start_new_session=True`. The
    guard is a shell in another session, so that Ctrl-C does not end it first.
    """

    def __init__(self, child: subprocess.Popen[Any]) -> None:
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_AND_KILL, str(child.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """End the guard without killing the child."""
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin:
            self._guard.stdin.close()


def run_tethered(
    command: Sequence[str],
    *,
    stdout: int | IO[str] | None = None,
    stderr: int | IO[str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command as subprocess.run does, but leave nothing of it behind.

    When this process is interrupted, or after `timeout_s`, the command and all processes that it
    has started are interrupted. They are killed if they do not end.
    """
    child = subprocess.Popen(
        command, stdout=stdout, stderr=stderr, cwd=cwd, text=True, start_new_session=True
    )
    tether = Tether(child)
    try:
        output, errors = child.communicate(timeout=timeout_s)
    except BaseException:
        _end_group(child)
        raise
    finally:
        tether.release()
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def _end_group(child: subprocess.Popen[str]) -> None:
    os.killpg(child.pid, signal.SIGINT)
    try:
        child.communicate(timeout=_INTERRUPTED_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()

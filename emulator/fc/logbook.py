"""The log of all functions, in memory.

Instances write to it; the control plane reads its last lines.
It keeps a fixed number of lines and no file.
"""

from __future__ import annotations

import sys
from collections import deque

from emulator.fc.process import Log

_MAX_LINES = 10_000


class Logbook:
    """The last log lines of all functions; it passes each on as it is written."""

    def __init__(self, pass_on: Log) -> None:
        self._lines: deque[tuple[str, str]] = deque(maxlen=_MAX_LINES)
        self._pass_on = pass_on

    def write(self, function: str, line: str) -> None:
        self._lines.append((function, line))
        self._pass_on(function, line)

    def last(self, n: int, function: str | None) -> list[dict[str, str]]:
        chosen = [line for line in self._lines if function in (None, line[0])]
        return [{"function": name, "line": line} for name, line in chosen[-n:]]


def to_stderr(function: str, line: str) -> None:
    sys.stderr.write(f"{function}: {line}\n")

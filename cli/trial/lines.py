"""Shows what the engine logs as lines for a person, and notes which streams the engine has started.

The engine's log calls this module, with texts without secrets. No problem is shown twice in a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cli.local_time import moment, shown
from cli.printable import printable
from shared.inbound.catalogue import Language, text
from shared.protocol.reason import HistoryEntry, Reason

_STORY = "stream."
_STARTED = (Reason.ACCEPTED, Reason.IN_DOUBT)


class Lines:
    """Shows the lines of the engine's log through `say`. `started` holds the streams for which Live
    has accepted, or may have accepted, a start of this process."""

    def __init__(self, say: Callable[[str], None], language: Language) -> None:
        self._say = say
        self._language = language
        self._last_problem = ""
        self.started: set[str] = set()

    def __call__(self, lines: str) -> None:
        for line in lines.splitlines():
            self._show(json.loads(line))

    def _show(self, line: dict[str, Any]) -> None:
        event = str(line["event"])
        if event.startswith(_STORY) and "about" in line:
            entry = HistoryEntry(Reason(event.removeprefix(_STORY)), line["about"])
            if entry.code in _STARTED and entry.about.get("command") == "start":
                self.started.add(line["stream"])
            words = text(entry, self._language)
            self._say(printable(f"{_time(line)}  {line['stream']}  {words}"))
        elif line["level"] != "info":
            self._problem(line, f"{event}: {line.get('error', '')}")

    def _problem(self, line: dict[str, Any], problem: str) -> None:
        """Show a problem, unless it is the last one shown: each round meets it again."""
        if problem != self._last_problem:
            self._last_problem = problem
            self._say(printable(f"{_time(line)}  {problem}"))


def _time(line: dict[str, Any]) -> str:
    return shown(moment(line["time"]))

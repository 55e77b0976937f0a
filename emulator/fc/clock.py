"""The development clock: real time plus an offset read from a file.

Timers, events and the control plane take the time from it; run.py refreshes it.
It never writes the file.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path


class Clock:
    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._offset = 0.0
        self.refresh()

    def refresh(self) -> None:
        """Read the offset again; keep the old one if the file is missing or half written."""
        if self._file is None:
            return
        try:
            self._offset = float(json.loads(self._file.read_text())["offset_ms"]) / 1000
        except (OSError, ValueError, TypeError, KeyError):
            return

    def seconds(self) -> float:
        return time.time() + self._offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), timezone.utc)

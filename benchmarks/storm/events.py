"""A receiver of every event while a storm rages.

benchmarks.storm uses it with --webhook. The function `notify` runs by its timer, as always; the
receiver is a process of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.notify_webhooks import asked, receiver
from benchmarks.storm.stage import Stage, yield_to_others
from cli.local.stack import WEBHOOK_SECRET

NOTIFY = "notify"
EVERY_S, PATIENCE_S, LOOK_S = 60.0, 120.0, 0.5
OF_STREAM = "session.started"
"""The type of which each stream of a storm has one event."""


@dataclass
class Events:
    """The events that a receiver gets about `count` streams."""

    count: int
    address: str
    arrived: Sequence[Mapping[str, Any]] = ()
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def policy(self) -> str:
        return f'[[webhook]]\nname = "dev"\nurl = "{self.address}/dev"\n'

    @contextmanager
    def going_on(self, stage: Stage, _folder: Path) -> Iterator[None]:
        """Run notify by its timer; when the block ends, wait until each stream had its event."""
        timer = threading.Thread(target=self._fire, args=(stage,), name="notify")
        timer.start()
        try:
            while not stage.function(NOTIFY)["instances"]:
                time.sleep(LOOK_S)
            yield_to_others(stage, NOTIFY)
            yield
            self._wait()
        finally:
            self.over.set()
            timer.join()

    def _fire(self, stage: Stage) -> None:
        """Fire the timer each minute."""
        while not self.over.is_set():
            stage.fc(f"timer/{NOTIFY}", wait=False)
            self.over.wait(EVERY_S)

    def _wait(self) -> None:
        ends = time.monotonic() + PATIENCE_S
        while len(self._ids(OF_STREAM)) < self.count and time.monotonic() < ends:
            time.sleep(LOOK_S)
            self.arrived = asked(f"{self.address}/_control/arrived")

    def _ids(self, kind: str = "") -> Mapping[str, float]:
        """Return the time at which each event of a type was first received."""
        found: dict[str, float] = {}
        for each in self.arrived:
            if not kind or each["type"] == kind:
                found.setdefault(each["id"], each["at"])
        return found

    def figures(self) -> dict[str, object]:
        delays_s = sorted(at - int(event[:11], 16) / 1000 for event, at in self._ids().items())
        return {
            "events": len(delays_s),
            "events_lost": self.count - len(self._ids(OF_STREAM)),
            "event_p50_s": round(delays_s[len(delays_s) // 2], 1) if delays_s else None,
            "event_p99_s": round(delays_s[len(delays_s) * 99 // 100], 1) if delays_s else None,
        }


@contextmanager
def events(count: int) -> Iterator[Events]:
    with receiver(WEBHOOK_SECRET) as address:
        yield Events(count, address)

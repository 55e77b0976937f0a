"""People who start and stop streams, one after the other, while something breaks.

The drills run it. It judges the stage by its answers and by Live's recordings, not by the state
that the stage reports.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.drills.result import Result
from benchmarks.drills.stage import DrilledStage

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

PEOPLE = 3
"""How many people ask at the same time, so that several instances are warm."""
EVERY_S, HEALTH_EVERY_S = 0.25, 0.25
FLOW_S = 3.0
"""Seconds of traffic before the fault."""
WATCHED_S = 20.0
"""Seconds of traffic after the store is able to work again: longer than a recovery may take."""
SETTLED_WITHIN_S = 150.0
"""Seconds until every stop that was answered has been carried out: the end of a doubt, and a timer.
"""


@dataclass(frozen=True)
class Ask:
    began: float
    ended: float
    ok: bool


@dataclass
class Traffic:
    """A context manager that sends requests until its block ends; times are of the monotonic
    clock."""

    stage: DrilledStage
    asks: list[Ask] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    """The streams whose stop was answered with 2xx."""
    fault_at: float = 0.0
    able_at: float = 0.0
    told_at: float | None = None
    health_why: str = ""
    tells: str = ""
    """The code of the problem that health has to report. Empty: any problem that makes the stage
    not ready."""

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._numbers = itertools.count()
        callers = [(f"caller{number}", self._start_and_stop) for number in range(PEOPLE)]
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, pause), name=name)
            for name, work, pause in [
                *((name, work, EVERY_S) for name, work in callers),
                ("health", self._ask_health, HEALTH_EVERY_S),
            ]
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def flow(self, seconds: float = FLOW_S) -> None:
        """Let the traffic go on for so long."""
        time.sleep(seconds)

    def flow_after(self, seconds: float = WATCHED_S) -> None:
        """Let the traffic go on until `seconds` after the store was able again."""
        time.sleep(max(self.able_at + seconds - time.monotonic(), 0))

    def mark_fault(self) -> None:
        """Note that the fault begins now."""
        self.fault_at = time.monotonic()

    def mark_able(self) -> None:
        """Note that the servers can do their work from now on."""
        self.able_at = time.monotonic()

    def result(self, drill: str, *, is_store_fault: bool = True) -> Result:
        """Return what the drill measured; call it after the `with` block."""
        seconds = None if self.told_at is None else round(self.told_at - self.fault_at, 2)
        return Result(
            drill,
            self.recovered_s(),
            self._stops_lost(),
            seconds,
            asked=len(self.asks),
            failed=sum(not ask.ok for ask in self.asks),
            failing_s=self._failing_s(),
            health_why=self.health_why,
            is_store_fault=is_store_fault,
        )

    def recovered_s(self) -> float | None:
        """Return how many s after the repair the last request failed; None if no later request
        succeeded."""
        failed = [ask.ended for ask in self.asks if not ask.ok]
        worked = [ask.began for ask in self.asks if ask.ok]
        last = max(failed, default=0.0)
        if not worked or max(worked) <= last:
            return None
        return round(max(last - self.able_at, 0.0), 2)

    def _failing_s(self) -> float:
        failed = [ask for ask in self.asks if not ask.ok]
        return round(failed[-1].ended - failed[0].began, 2) if failed else 0.0

    def _stops_lost(self) -> int:
        """Count the streams that Live records though their stop was answered."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        lost = list(self.stopped)
        while lost and time.monotonic() < deadline:
            lost = [stream for stream in lost if self.stage.is_recorded(stream)]
            if lost:
                self.stage.reconcile()
                time.sleep(1.0)
        return len(lost)

    def _repeat(self, work: Callable[[], None], pause_s: float) -> None:
        while not self._over.wait(pause_s):
            work()

    def _start_and_stop(self) -> None:
        stream = f"drill{next(self._numbers):05d}"
        self.stage.live.publish(stream)
        self._ask(stream, "start")
        if self._ask(stream, "stop"):
            self.stopped.append(stream)

    def _ask(self, stream: str, command: str) -> bool:
        began = time.monotonic()
        answer = self.stage.ask(stream, command)
        self.asks.append(Ask(began, time.monotonic(), answer.ok))
        return answer.ok

    def _ask_health(self) -> None:
        health = self.stage.health()
        why = self._why(health.body)
        if self.fault_at and self.told_at is None and why:
            self.told_at, self.health_why = time.monotonic(), "; ".join(why)

    def _why(self, health: Mapping[str, Any]) -> list[str]:
        if not self.tells:
            return list(health.get("why", ()))
        problems = health.get("problems", ())
        return [problem["text"] for problem in problems if problem["code"] == self.tells]

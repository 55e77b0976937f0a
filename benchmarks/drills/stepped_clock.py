"""Drill: the clock of the store and of the functions is set back an hour, then forward again.

Live's own clock stays right. After each step, the time is measured until Live has recorded and
stopped a new stream.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import until
from benchmarks.drills.stage import DrilledStage, drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import Engine

HOUR_MS = 3_600_000
_NUMBERS = count()


def run(folder: Path) -> Result:
    clock = folder / "store_clock.json"
    with (
        Engine(folder / "engine") as engine,
        drilled_stage(folder, store=engine.url, dev_clock=str(clock)) as stage,
    ):
        with Traffic(stage) as traffic:
            traffic.flow()
            traffic.mark_fault()
            traffic.mark_able()
            served_s = [_step(clock, ahead_ms, stage) for ahead_ms in (-HOUR_MS, 0)]
            traffic.mark_able()
            traffic.flow_after()
        result = traffic.result("stepped_clock")
        recovered_s = result.recovered_s
        slowest_s = None if recovered_s is None else max(recovered_s, *served_s)
        return replace(result, recovered_s=slowest_s)


def _step(clock: Path, ahead_ms: int, stage: DrilledStage) -> float:
    """Set the clock; return after how many s a new stream was recorded and stopped."""
    began = time.monotonic()
    clock.write_text(json.dumps({"offset_ms": ahead_ms}), encoding="utf-8")
    stream = f"served{next(_NUMBERS)}"
    stage.live.publish(stream)
    stage.ask(stream, "start")
    until(lambda: stage.is_recorded(stream))
    stage.ask(stream, "stop")
    until(lambda: not stage.is_recorded(stream))
    return round(time.monotonic() - began, 2)

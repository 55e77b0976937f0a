"""Drill: the engine has no memory left. Stops are stored and sent all the same; starts wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import ask
from benchmarks.drills.stage import drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import Engine

RUNNING_STREAMS = 20
"""Streams that are recorded before the engine is full, and stopped while it is full."""
FULL_S = 12.0
"""Seconds for which the engine is full: longer than health may take to report that."""


def run(folder: Path) -> Result:
    with (
        Engine(folder / "engine", options={"maxmemory-policy": "noeviction"}) as engine,
        drilled_stage(folder, store=engine.url) as stage,
    ):
        running = [f"running{number:02d}" for number in range(RUNNING_STREAMS)]
        for stream in running:
            stage.live.publish(stream)
            stage.ask(stream, "start")
        with Traffic(stage) as traffic:
            traffic.flow()
            traffic.mark_fault()
            ask(engine, "CONFIG", "SET", "maxmemory", 1)
            refused = sum(not stage.ask(stream, "stop").ok for stream in running)
            traffic.flow(FULL_S)
            lost = sum(stage.is_recorded(stream) for stream in running)
            ask(engine, "CONFIG", "SET", "maxmemory", 0)
            traffic.mark_able()
            traffic.flow_after()
        result = traffic.result("full")
    return replace(result, stops_lost=result.stops_lost + max(refused, lost))

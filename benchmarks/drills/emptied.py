"""Drill: FLUSHALL empties the store while streams are recorded, and one was stopped explicitly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import ask, until
from benchmarks.drills.stage import DrilledStage, drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import Engine

STOPPED, LATER = "stopped", "later"
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com" }
on_publish = "record"
"""


def run(folder: Path) -> Result:
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    with (
        Engine(folder / "engine") as engine,
        drilled_stage(folder, store=engine.url, policy=folder / "policy.toml") as stage,
    ):
        _record(stage, STOPPED)
        stage.ask(STOPPED, "stop")
        until(lambda: not stage.is_recorded(STOPPED))
        with Traffic(stage, tells="store_emptied") as traffic:
            traffic.flow()
            traffic.mark_fault()
            ask(engine, "FLUSHALL")
            traffic.mark_able()
            stage.reconcile()
            _record(stage, LATER)  # what comes up later is recorded
            traffic.flow_after()
        result = traffic.result("emptied")
        overruled = stage.is_recorded(STOPPED)
        _accept(stage)
        return replace(result, stops_lost=result.stops_lost + overruled)


def _record(stage: DrilledStage, stream: str) -> None:
    """Let the stream come up, and wait until the policy has it recorded."""
    stage.live.publish(stream)
    until(lambda: stage.is_recorded(stream))


def _accept(stage: DrilledStage) -> None:
    """Accept the store, and wait until the policy records the live streams again."""
    until(lambda: stage.post("/v1/store/accept").ok)
    stage.reconcile()
    until(lambda: stage.is_recorded(STOPPED))

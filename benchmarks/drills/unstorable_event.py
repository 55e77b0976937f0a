"""Drill: Live reports two files with half a character in their names: one by callback, and one in
its list of undelivered callbacks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import until
from benchmarks.drills.stage import DOMAIN, DrilledStage, drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import Engine

STREAM, EVENT = "odd", "transformat_error"
NAMES = ("\ud800first.mp4", "\ud800second.mp4")
NOBODY = "http://127.0.0.1:1/callbacks/record/nobody"


def run(folder: Path) -> Result:
    with Engine(folder / "store") as engine, drilled_stage(folder, store=engine.url) as stage:
        stage.live.publish(STREAM)
        stage.ask(STREAM, "start")
        with Traffic(stage) as traffic:
            traffic.flow()
            traffic.mark_fault()
            _report(stage, NAMES[0])
            address = stage.live.get("notify")["record_url"]
            stage.live.notify(record_url=NOBODY)
            _report(stage, NAMES[1])
            stage.live.notify(record_url=address)
            traffic.mark_able()  # the store can do its work all the time
            until(lambda: stage.reconcile() and _is_noted(stage.get(_HISTORY).body))
            traffic.flow_after()
            stage.ask(STREAM, "stop")
            traffic.stopped.append(STREAM)
        return traffic.result("unstorable event", is_store_fault=False)


_HISTORY = f"/v1/recordings/{DOMAIN}/app/{STREAM}/history"


def _report(stage: DrilledStage, uri: str) -> None:
    stage.live.record_event(STREAM, EVENT, event=EVENT, file_info={"uri": uri})


def _is_noted(history: dict[str, object]) -> bool:
    """Return True once the history has both reports, the delivered one and the one read back."""
    return all(name[1:] in str(history) for name in NAMES)

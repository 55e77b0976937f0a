"""Drill: one record was written by a later release. Other streams still end when they are due."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import ask
from benchmarks.drills.stage import DOMAIN, drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import Engine

BAD, GOOD = "bad", ("good0", "good1", "good2")
LASTS_S = 10
LATER = (
    '{"format":1,"record":{"key":{"domain":"%s","app":"app","stream":"%s"},'
    '"session":{"number":1,"opened_at":1,"state":"resting"}}}'
)
"""A record with a state that this release does not know."""


def run(folder: Path) -> Result:
    with Engine(folder / "store") as engine, drilled_stage(folder, store=engine.url) as stage:
        for stream in (BAD, *GOOD):
            stage.live.publish(stream)
            stage.ask(stream, "start", max_duration=f"{LASTS_S}s")
        ends_at = time.monotonic() + LASTS_S
        with Traffic(stage, tells="streams_quarantined") as traffic:
            traffic.flow()
            traffic.mark_fault()
            record = f"live-record:{{dev}}:record:{DOMAIN}\0app\0{BAD}"
            ask(engine, "HSET", record, "document", LATER % (DOMAIN, BAD))
            traffic.mark_able()  # the store can do its work all the time
            time.sleep(max(ends_at - time.monotonic(), 0))
            stage.reconcile()
            traffic.stopped += GOOD  # their ends are stops, too
            traffic.flow_after()
            stage.ask(BAD, "stop")
            traffic.stopped.append(BAD)
        return traffic.result("unreadable record", is_store_fault=False)

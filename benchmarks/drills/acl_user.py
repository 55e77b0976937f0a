"""Drill: the store's user may not run scripts for a while, and the connections stay.

Before and afterwards the user may run the commands that live-record needs, and no others.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import ask
from benchmarks.drills.stage import drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import DURABLE, Engine
from shared.store.engine_commands import NEEDED

FORBIDDEN_S = 5.0
"""Seconds for which the user may not run scripts."""


def run(folder: Path) -> Result:
    with Engine(folder / "engine", options=DURABLE) as engine:
        granted = [f"+{name.lower()}" for name in NEEDED]
        ask(engine, "ACL", "SETUSER", "drill", "on", ">drill", "~live-record:*", *granted)
        url = engine.url.replace("redis://", "redis://drill:drill@")
        with drilled_stage(folder, store=url) as stage:
            with Traffic(stage) as traffic:
                traffic.flow()
                traffic.mark_fault()
                ask(engine, "ACL", "SETUSER", "drill", "-evalsha")
                traffic.flow(FORBIDDEN_S)
                ask(engine, "ACL", "SETUSER", "drill", "+evalsha")
                traffic.mark_able()
                traffic.flow_after()
            return traffic.result("acl_user")

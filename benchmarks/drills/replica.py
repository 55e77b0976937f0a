"""Drill: primary and replica swap roles behind one address, while the connections stay.

As with a managed instance, the address leads to the new primary some seconds later.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.forwarder import Forwarder
from benchmarks.drills.result import Result
from benchmarks.drills.servers import ask, pair, until
from benchmarks.drills.stage import drilled_stage
from benchmarks.drills.traffic import Traffic
from cli.local.redis_server import DURABLE
from cli.local.reserved_port import HOST

LATER_S = 3.0
"""Seconds after the swap at which the address leads to the new primary."""


def run(folder: Path) -> Result:
    with (
        pair(folder, DURABLE) as engines,
        Forwarder(engines.primary.port) as address,
        drilled_stage(folder, store=address.url) as stage,
    ):
        with Traffic(stage) as traffic:
            traffic.flow()
            traffic.mark_fault()
            ask(engines.primary, "FAILOVER", "TO", HOST, engines.replica.port)
            until(lambda: ask(engines.replica, "ROLE")[0] == "master")
            traffic.flow(LATER_S)
            address.target = engines.replica.port
            traffic.mark_able()
            traffic.flow_after()
        return traffic.result("replica")

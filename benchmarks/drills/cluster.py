"""Drill: in a cluster of three primaries with a replica each, the node that has our slot dies."""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.result import Result
from benchmarks.drills.servers import Cluster, cluster_of_six, until
from benchmarks.drills.stage import drilled_stage
from benchmarks.drills.traffic import Traffic

KEY = "live-record:{dev}:drill"


def run(folder: Path) -> Result:
    with cluster_of_six(folder) as cluster:
        victim = cluster.primary_of(KEY)
        seed = next(node for node in cluster.nodes if node is not victim)
        return lose_primary("cluster", folder, cluster, url=seed.url)


def lose_primary(drill: str, folder: Path, cluster: Cluster, *, url: str) -> Result:
    """Kill the node that has our slot while a stage with the store at `url` works."""
    victim = cluster.primary_of(KEY)
    with drilled_stage(folder, store=url) as stage:
        with Traffic(stage) as traffic:
            traffic.flow()
            traffic.mark_fault()
            victim.kill()
            until(lambda: cluster.can_write(KEY, but=victim))
            traffic.mark_able()
            traffic.flow_after()
        return traffic.result(drill)

"""Drill: the node that has our slot dies in a cluster over TLS, with an authority of one's own.

MOVED names addresses, while the certificate has a name. It needs a redis-server of the system: the
wheel's was built without TLS.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.cluster import KEY
from benchmarks.drills.result import Result
from benchmarks.drills.servers import encrypted_cluster, until
from benchmarks.drills.stage import drilled_stage
from benchmarks.drills.traffic import Traffic


def run(folder: Path) -> Result:
    with encrypted_cluster(folder) as (cluster, url):
        victim = cluster.primary_of(KEY)
        with drilled_stage(folder, store=url) as stage:
            with Traffic(stage) as traffic:
                traffic.flow()
                traffic.mark_fault()
                victim.kill()
                until(lambda: cluster.can_write(KEY, but=victim))
                traffic.mark_able()
                traffic.flow_after()
            return traffic.result("tls_cluster")

"""Drill: the node that has our slot dies in a cluster over TLS, with a private authority.

MOVED names addresses, while the certificate has a name. It needs a redis-server of the system: the
wheel's was built without TLS.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.drills.cluster import lose_primary
from benchmarks.drills.result import Result
from benchmarks.drills.servers import encrypted_cluster


def run(folder: Path) -> Result:
    with encrypted_cluster(folder) as (cluster, url):
        return lose_primary("tls_cluster", folder, cluster, url=url)

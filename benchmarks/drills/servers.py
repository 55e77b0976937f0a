"""The real servers that drills break: clusters, primaries with replicas, and the addresses in front
of them.

The drills and the tests of the store start them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.drills.certificates import sign_for
from cli.errors import Failure
from cli.local.redis_server import Engine, redis
from cli.local.reserved_port import HOST, ReservedPort

ABLE_WITHIN_S = 120.0
"""Seconds that servers may take for what they do by themselves, such as a fail-over."""
NODE_TIMEOUT_MS = 2000
"""Milliseconds of silence after which a cluster takes a node for dead; Redis' own default is
15,000."""


def ask(engine: Engine, *command: str | int) -> Any:  # noqa: ANN401 - as the command says
    """Send one command over a new connection; return the engine's answer."""
    with Redis(host=HOST, port=engine.port, decode_responses=True) as client:
        return client.execute_command(*command)


def until(happened: Callable[[], bool]) -> None:
    """Wait until `happened()` is True. Raise TimeoutError after ABLE_WITHIN_S."""
    deadline = time.monotonic() + ABLE_WITHIN_S
    while True:
        with suppress(RedisError, OSError):
            if happened():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {ABLE_WITHIN_S:g} s")
        time.sleep(0.02)


@dataclass(frozen=True)
class Cluster:
    """Three primaries, followed by their three replicas in the same order."""

    nodes: tuple[Engine, ...]

    def primary_of(self, key: str) -> Engine:
        """Return the node that answers for the key now. Raise TimeoutError if none does."""
        until(lambda: any(_serves(node, key) for node in self.nodes))
        return next(node for node in self.nodes if _serves(node, key))

    def can_write(self, key: str, *, but: Engine) -> bool:
        """Return True if a node other than `but` takes a write of the key."""
        return any(
            _serves(node, key) and bool(ask(node, "SET", key, "1"))
            for node in self.nodes
            if node is not but
        )


def _serves(node: Engine, key: str) -> bool:
    """Return True if the node has the key's slot: all others answer MOVED."""
    try:
        ask(node, "EXISTS", key)
    except (RedisError, OSError):
        return False
    return True


@dataclass
class Pair:
    """A primary and the replica that follows it."""

    primary: Engine
    replica: Engine

    def swap(self) -> None:
        """Let the two change roles; connections to either stay."""
        ask(self.replica, "REPLICAOF", "NO", "ONE")
        ask(self.primary, "REPLICAOF", HOST, self.replica.port)
        self.primary, self.replica = self.replica, self.primary


@contextmanager
def pair(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[Pair]:
    """Run a primary and a replica that has all of its data."""
    own = {"repl-diskless-sync-delay": "0", **(options or {})}
    with (
        Engine(folder / "a", options=own) as primary,
        Engine(folder / "b", options=own) as replica,
    ):
        ask(replica, "REPLICAOF", HOST, primary.port)
        until(lambda: is_linked(replica))
        yield Pair(primary, replica)


@contextmanager
def cluster_node(
    folder: Path, options: Mapping[str, str] | None = None, *, program: str | None = None
) -> Iterator[Engine]:
    """Start one node; nodes talk to each other on a port of their own."""
    with ReservedPort() as reserved:
        own = {
            "cluster-enabled": "yes",
            "cluster-port": str(reserved.port),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "repl-diskless-sync-delay": "0",
            **(options or {}),
        }
        with Engine(folder, options=own, program=program) as engine:
            yield engine


@contextmanager
def cluster_of_six(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Run a cluster of three primaries with a replica each, ready to work."""
    with ExitStack() as stack:
        nodes = tuple(
            stack.enter_context(cluster_node(folder / f"node{number}", options))
            for number in range(6)
        )
        join(nodes[:3], nodes[3:])
        yield Cluster(nodes)


@contextmanager
def encrypted_cluster(folder: Path) -> Iterator[tuple[Cluster, str]]:
    """Run a cluster of six over TLS; yield it with its URL, which names its first three nodes. The
    certificate is for `localhost`, signed by a private authority. Raise Failure if the system has
    no redis-server."""
    certificates = folder / "certificates"
    sign_for("localhost", certificates)
    with ExitStack() as stack:
        ports = [stack.enter_context(ReservedPort()) for _ in range(6)]
        nodes = tuple(
            stack.enter_context(
                cluster_node(
                    folder / f"node{number}",
                    {**_tls(certificates), "tls-port": str(reserved.port)},
                    program=_with_tls(),
                )
            )
            for number, reserved in enumerate(ports)
        )
        join(nodes[:3], nodes[3:])
        hosts = ",".join(f"localhost:{reserved.port}" for reserved in ports[:3])
        yield Cluster(nodes), f"rediss://{hosts}?ssl_ca_certs={certificates}/ca.pem"


def _tls(certificates: Path) -> dict[str, str]:
    files = {"ca-cert": "ca", "cert": "cert", "key": "key"}
    options = {f"tls-{name}-file": f"{certificates}/{file}.pem" for name, file in files.items()}
    return {**options, "tls-auth-clients": "no", "tls-cluster": "yes", "tls-replication": "yes"}


def _with_tls() -> str:
    program = redis()
    if program is None:
        raise Failure("No redis-server is installed. Run apt-get install redis-server.")
    return program


def join(primaries: tuple[Engine, ...], replicas: tuple[Engine, ...]) -> None:
    """Make one cluster of the nodes, with the slots shared out among the primaries."""
    share = 16384 // len(primaries)
    for number, node in enumerate(primaries):
        last = 16383 if number == len(primaries) - 1 else (number + 1) * share - 1
        ask(node, "CLUSTER", "ADDSLOTSRANGE", number * share, last)
    first, *others = (*primaries, *replicas)
    for node in others:
        bus = ask(node, "CONFIG", "GET", "cluster-port")["cluster-port"]
        ask(first, "CLUSTER", "MEET", HOST, node.port, int(bus))
    everybody = len(primaries) + len(replicas)
    until(lambda: all(_knows(node, everybody) for node in (first, *others)))
    for primary, replica in zip(primaries, replicas, strict=False):
        ask(replica, "CLUSTER", "REPLICATE", ask(primary, "CLUSTER", "MYID"))
    for replica in replicas:
        until(lambda node=replica: is_linked(node))  # type: ignore[misc] # a default binds it now
    until(lambda: all(_knows(node, everybody) for node in (first, *others)))


def _knows(node: Engine, nodes: int) -> bool:
    known = ask(node, "CLUSTER", "INFO")
    return "cluster_state:ok" in known and f"cluster_known_nodes:{nodes}\r" in known


def is_linked(replica: Engine) -> bool:
    """Return True if the replica follows its primary."""
    return bool(ask(replica, "INFO", "replication").get("master_link_status") == "up")

"""A Redis that moves: the store finds the node that takes writes, where nothing was done in the
same call."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.drills.forwarder import Forwarder
from benchmarks.drills.servers import (
    ask,
    cluster_node,
    cluster_of_six,
    encrypted_cluster,
    join,
    pair,
    until,
)
from cli.local.redis_server import Engine
from shared.protocol import Command
from shared.store.contract import Stored
from shared.store.redis import RedisStore
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, NOON, owing, saved_version, saving, version_of
from tests.support.redis_answers import certificate, saying, server_context

SAVING = saving(owing(Command.START))
MOMENT = b":5\r\n"
NODE_SLOT_KEY = "live-record:{test}:x"


def store_at(url: str) -> RedisStore:
    return RedisStore(url, stage="test", rate=50, clock=lambda: NOON)


def problem(store: RedisStore) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        store.now()
    return refused.value.problem


# --- a connection that is kept ------------------------------------------------------------------

ELSEWHERE = [
    b"-READONLY You can't write against a read only replica.",
    b"-ERR Error running script (call to f_0a): @user_script:5: -READONLY You can't write",
    b"-LOADING Redis is loading the dataset in memory",
    b"-CLUSTERDOWN The cluster is down",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"-TRYAGAIN Multiple keys request during rehashing of slot",
    b"-NOREPLICAS Not enough good replicas to write.",
    b"-ERR max number of clients reached",
]


@pytest.mark.parametrize("answer", ELSEWHERE)
def test_a_node_that_has_done_nothing_is_asked_anew_in_the_same_call(answer: bytes) -> None:
    with (
        saying(b":4\r\n", answer + b"\r\n", MOMENT) as port,
        closing(store_at(f"redis://127.0.0.1:{port}")) as store,
    ):
        assert (store.now(), store.now()) == (4, 5)


def test_what_can_be_repeated_is_repeated_after_an_end_of_the_connection() -> None:
    with saying(b":4\r\n", b"", MOMENT) as port, closing(at(port)) as store:
        assert (store.now(), store.now()) == (4, 5)


def at(*ports: int) -> RedisStore:
    return store_at("redis://" + ",".join(f"127.0.0.1:{port}" for port in ports))


def test_what_may_have_been_done_and_cannot_be_repeated_is_not() -> None:
    with saying(b":4\r\n", b"", b":5\r\n", b":6\r\n") as port, closing(at(port)) as store:
        store.now()
        with pytest.raises(StoreUnavailable):
            store.put_policy("{}", replaces=0)
        assert store.now() == 5


def test_what_cannot_be_repeated_is_not_sent_over_a_connection_that_has_ended(
    tmp_path: Path,
) -> None:
    with Engine(tmp_path) as engine, closing(store_at(engine.url)) as store:
        store.now()
        engine.kill()
        engine.start()

        assert store.put_policy("{}", replaces=0)


def test_an_answer_of_the_engine_is_no_reason_to_ask_again() -> None:
    with (
        saying(b":4\r\n", b"-OOM command not allowed\r\n", MOMENT) as port,
        closing(at(port)) as store,
    ):
        store.now()
        assert problem(store) == "store_out_of_memory"
        assert store.now() == 5


# --- several addresses --------------------------------------------------------------------------


def test_an_address_where_nobody_is_leaves_it_to_the_next() -> None:
    with saying(b"*1\r\n$6\r\nmaster\r\n", MOMENT) as port, closing(at(1, 2, port)) as store:
        assert store.now() == 5


def test_a_replica_among_the_addresses_is_passed_over() -> None:
    with (
        saying(b"*1\r\n$5\r\nslave\r\n") as replica,
        saying(b"*1\r\n$6\r\nmaster\r\n", MOMENT) as primary,
        closing(at(replica, primary)) as store,
    ):
        assert store.now() == 5


def test_a_user_who_may_not_ask_for_the_role_finds_the_primary_by_its_answer() -> None:
    forbidden = b"-NOPERM this user has no permissions to run the 'role' command\r\n"
    with (
        saying(forbidden, b"-READONLY You can't write against a read only replica.\r\n") as replica,
        saying(forbidden, MOMENT) as primary,
        closing(at(replica, primary)) as store,
    ):
        assert store.now() == 5


def test_replicas_alone_are_told() -> None:
    with saying(b"*1\r\n$5\r\nslave\r\n") as port, closing(at(port, 1)) as store:
        assert problem(store) in {"store_read_only", "store_unreachable"}
        assert problem(store) in {"store_read_only", "store_unreachable"}


# --- a primary and a replica swap roles ---------------------------------------------------------


@pytest.mark.slow
def test_a_swap_of_roles_behind_one_address_is_not_even_noticed(tmp_path: Path) -> None:
    with pair(tmp_path) as engines, Forwarder(engines.primary.port) as forwarder:
        store = store_at(forwarder.url)
        again = replace(SAVING, version=saved_version(store, SAVING))
        until(lambda: "room1" in str(ask(engines.replica, "KEYS", "*record*")))
        forwarder.target = engines.replica.port
        engines.swap()

        assert store.save_or_claim(again) == Stored(version_of(store))
        assert "room1" in str(ask(engines.primary, "KEYS", "*record*"))
        store.close()


@pytest.mark.slow
def test_a_swap_of_roles_between_two_named_addresses_is_not_even_noticed(tmp_path: Path) -> None:
    with (
        pair(tmp_path) as engines,
        closing(at(engines.primary.port, engines.replica.port)) as store,
    ):
        again = replace(SAVING, version=saved_version(store, SAVING))
        until(lambda: "room1" in str(ask(engines.replica, "KEYS", "*record*")))
        engines.swap()

        assert store.save_or_claim(again) == Stored(version_of(store))


# --- clusters -----------------------------------------------------------------------------------


def moved(port: int | str) -> bytes:
    return f"-MOVED 5 {port}\r\n".encode()


def test_a_node_that_sends_us_on_without_a_host_means_its_own() -> None:
    with (
        saying(MOMENT) as there,
        saying(moved(f":{there}")) as empty,
        saying(moved(f"?:{there}")) as unknown,
    ):
        for port in (empty, unknown):
            with closing(at(port)) as store:
                assert (store.now(), store.now()) == (5, 5)


def test_a_node_that_sends_us_to_the_dead_is_asked_again() -> None:
    with (
        saying(MOMENT) as there,
        saying(moved("127.0.0.1:1"), moved(f"127.0.0.1:{there}")) as seed,
        closing(at(seed)) as store,
    ):
        assert problem(store) == "store_unreachable"
        assert store.now() == 5


def test_a_dead_node_to_which_we_were_sent_is_left_in_the_same_call() -> None:
    with saying(MOMENT) as alive, ExitStack() as first:
        dying = first.enter_context(saying(b":4\r\n", b""))
        answers = (moved(f"127.0.0.1:{dying}"), moved(f"127.0.0.1:{alive}"))
        with saying(*answers) as seed, closing(at(seed)) as store:
            assert (store.now(), store.now()) == (4, 5)


def asks(port: int) -> bytes:
    return f"-ASK 5 127.0.0.1:{port}\r\n".encode()


def test_a_key_that_has_moved_ahead_of_its_slot_is_found_in_the_same_call() -> None:
    """On a kept connection as on a new one; the slot stays with the node that sent us."""
    with (
        saying(b"+OK\r\n" + MOMENT) as ahead,
        saying(b":4\r\n", asks(ahead), asks(ahead), asks(ahead), b":6\r\n") as seed,
        closing(at(seed)) as store,
    ):
        assert [store.now() for _ in range(4)] == [4, 5, 5, 6]


def test_a_slot_that_moved_and_moves_on_is_followed() -> None:
    with (
        saying(b"+OK\r\n" + MOMENT) as ahead,
        saying(asks(ahead), b":6\r\n") as there,
        saying(moved(f"127.0.0.1:{there}")) as seed,
        closing(at(seed)) as store,
    ):
        assert (store.now(), store.now()) == (5, 6)


@pytest.mark.slow
def test_while_a_slot_moves_a_key_is_found_where_it_is(tmp_path: Path) -> None:
    """A script of several keys, some of which do not exist, runs nowhere meanwhile: TRYAGAIN."""
    with cluster_node(tmp_path / "a") as a, cluster_node(tmp_path / "b") as b:
        join((a, b), ())
        with closing(store_at(a.url)) as store:
            store.touch("x")
            slot = int(ask(a, "CLUSTER", "KEYSLOT", NODE_SLOT_KEY))
            source, target = (a, b) if slot < 8192 else (b, a)
            begin_to_migrate(source, target, slot)
            for key in ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
                ask(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
            store.touch("y")

            assert {"x", "y"} <= set(store.ages())
            with pytest.raises(StoreUnavailable, match="store_moving"):
                store.load(KEY)


@pytest.mark.slow
@pytest.mark.parametrize("named", ["ip", "unknown-endpoint"])
def test_a_slot_that_moves_to_another_node_is_followed(tmp_path: Path, named: str) -> None:
    options = {"cluster-preferred-endpoint-type": named}
    with cluster_node(tmp_path / "a", options) as a, cluster_node(tmp_path / "b", options) as b:
        join((a, b), ())
        store = store_at(a.url)
        store.touch("x")
        slot = int(ask(a, "CLUSTER", "KEYSLOT", NODE_SLOT_KEY))
        source, target = (a, b) if slot < 8192 else (b, a)
        migrate(source, target, slot)

        store.touch("y")
        assert {"x", "y"} <= set(store.ages())
        store.close()


def begin_to_migrate(source: Engine, target: Engine, slot: int) -> None:
    identities = {node: ask(node, "CLUSTER", "MYID") for node in (source, target)}
    ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", identities[source])
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", identities[target])


def migrate(source: Engine, target: Engine, slot: int) -> None:
    identities = {node: ask(node, "CLUSTER", "MYID") for node in (source, target)}
    begin_to_migrate(source, target, slot)
    for key in ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        ask(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    for node in (target, source):
        ask(node, "CLUSTER", "SETSLOT", slot, "NODE", identities[target])


def saves(store: RedisStore, version: int) -> bool:
    """Return False while the cluster is down, as one is for a while when the machine is busy."""
    try:
        store.save_or_claim(replace(SAVING, version=version))
        return version_of(store) > version
    except StoreUnavailable:
        return False


@pytest.mark.prove
def test_the_death_of_the_slot_s_node_is_over_once_the_cluster_has_failed_over(
    tmp_path: Path,
) -> None:
    with cluster_of_six(tmp_path) as cluster:
        victim = cluster.primary_of(NODE_SLOT_KEY)
        seeds = [node.port for node in cluster.nodes[:3]]
        with closing(at(*seeds)) as warm:
            until(lambda: saves(warm, 0))
            version = version_of(warm)
            until(lambda: ask(victim, "WAIT", 1, 100) > 0)
            victim.kill()
            until(lambda: cluster.can_write(NODE_SLOT_KEY, but=victim))

            until(lambda: saves(warm, version))


@pytest.mark.prove
def test_the_same_over_tls_with_an_authority_of_one_s_own(tmp_path: Path) -> None:
    """Its nodes name addresses, and their certificate a name."""
    with encrypted_cluster(tmp_path) as (cluster, url):
        victim = cluster.primary_of(NODE_SLOT_KEY)
        with closing(store_at(url)) as warm:
            until(lambda: saves(warm, 0))
            version = version_of(warm)
            until(lambda: ask(victim, "WAIT", 1, 100) > 0)
            victim.kill()
            until(lambda: cluster.can_write(NODE_SLOT_KEY, but=victim))

            until(lambda: saves(warm, version))


# --- TLS in a cluster ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["localhost"], 5, id="the configured name"),
        pytest.param(["127.0.0.1"], 5, id="the address of the node"),
        pytest.param(["store.example.com"], "store_wrong_name", id="another name"),
    ],
)
def test_the_node_that_moved_names_may_prove_either_name(
    tmp_path: Path, names: list[str], expected: int | str
) -> None:
    """MOVED names an address, and the certificate of a managed cluster a name."""
    certificate(tmp_path / "seed", ["localhost"])
    certificate(tmp_path / "node", names)
    trusted = tmp_path / "both.pem"
    trusted.write_text(
        "".join((tmp_path / who / "cert.pem").read_text() for who in ("seed", "node"))
    )
    with (
        saying(MOMENT, tls=server_context(tmp_path / "node")) as there,
        saying(moved(f"127.0.0.1:{there}"), tls=server_context(tmp_path / "seed")) as seed,
        closing(store_at(f"rediss://localhost:{seed}?ssl_ca_certs={trusted}")) as store,
    ):
        assert (problem(store) if isinstance(expected, str) else store.now()) == expected


def test_an_authority_of_one_s_own_counts_without_the_host_s_name_if_that_is_wished(
    tmp_path: Path,
) -> None:
    certificate(tmp_path, ["store.example.com"])
    with saying(MOMENT, tls=server_context(tmp_path)) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs=cert.pem&ssl_check_hostname=false"
        store = RedisStore(url, stage="test", rate=50, folder=tmp_path)
        assert store.now() == 5
        store.close()

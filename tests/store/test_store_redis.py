"""What goes wrong with a Redis, seen from a store: a clear sentence, and nothing half done."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.drills.servers import ask, cluster_node, join, until
from cli.local.redis_server import DURABLE, Engine
from cli.local.reserved_port import ReservedPort
from shared.protocol import Command
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry, Reason
from shared.store import scripts
from shared.store.contract import Conflict, Stored
from shared.store.redis import RedisStore
from shared.store.redis_connection import WAITS_NUMBER
from shared.store.save_request import encode_save
from shared.store.store_errors import StoreUnavailable
from shared.store.store_url import ANSWER_S, CONNECT_S
from tests.conftest import (
    KEY,
    NOON,
    PATIENT,
    Clock,
    owing,
    program,
    saved_version,
    saving,
    version_of,
)
from tests.store.test_store import claiming
from tests.support.redis_answers import certificate, saying

pytestmark = pytest.mark.slow

SAVING = replace(saving(owing(Command.START)), entries=(HistoryEntry(Reason.PUBLISHED),))


@contextmanager
def engine_of(
    folder: Path, options: Mapping[str, str] | None = None
) -> Iterator[tuple[Engine, RedisStore]]:
    with (
        Engine(folder, options=options) as engine,
        closing(store_at(f"{engine.url}?{PATIENT}")) as store,
    ):
        yield engine, store


def store_at(url: str) -> RedisStore:
    return RedisStore(url, stage="test", rate=50, clock=lambda: NOON)


def refusal(store: RedisStore) -> str:
    """Return the problem that a save meets."""
    with pytest.raises(StoreUnavailable) as refused:
        store.save_or_claim(SAVING)
    return refused.value.problem


def is_untouched(store: RedisStore) -> bool:
    fresh = store.load(KEY).version == 0 and store.history(KEY, 9) == []
    return fresh and store.queue().depth == 0 and store.phases() == {}


FIRST_COMMANDS = """
import ssl
import sys
from threading import Barrier, Thread
from shared.store.redis import RedisStore
from shared.store.store_errors import StoreUnavailable

def create(**named):
    made.append(named)
    return create_context(**named)

def command():
    together.wait()
    try:
        store.now()
    except StoreUnavailable as error:
        problems.append(error.problem)

made, problems, create_context = [], [], ssl.create_default_context
ssl.create_default_context = create
store = RedisStore(f"rediss://127.0.0.1:{sys.argv[1]}", stage="test", rate=50)
store.prepare()
sys.setswitchinterval(1e-6)
together = Barrier(8)
threads = [Thread(target=command) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(made), *problems)
"""


def test_the_first_commands_of_several_threads_read_the_roots_once() -> None:
    with ReservedPort() as place:
        ran = subprocess.run(
            [sys.executable, "-c", FIRST_COMMANDS, str(place.port)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert ran.stdout.split() == ["1", *["store_unreachable"] * 8]


def test_an_engine_that_is_gone_is_told_and_found_again_when_it_is_back(tmp_path: Path) -> None:
    with engine_of(tmp_path) as (engine, store):
        store.load(KEY)
        engine.kill()
        assert refusal(store) == "store_unreachable"
        engine.start()

        assert is_untouched(store)
        assert store.save_or_claim(SAVING) == Stored(version_of(store))


def test_an_engine_that_was_restarted_meanwhile_is_not_even_noticed(tmp_path: Path) -> None:
    with engine_of(tmp_path, DURABLE) as (engine, store):
        again = replace(SAVING, version=saved_version(store, SAVING))
        engine.kill()
        engine.start()

        assert store.save_or_claim(again) == Stored(version_of(store))


def test_what_was_answered_survives_a_kill_of_the_engine(tmp_path: Path) -> None:
    with engine_of(tmp_path, DURABLE) as (engine, store):
        version = saved_version(store, SAVING)
        engine.kill()
        engine.start()

        assert (store.load(KEY).record, version_of(store)) == (SAVING.if_no_slot, version)
        assert (store.queue().depth, len(store.history(KEY, 9))) == (1, 1)


@pytest.mark.slow
def test_a_replica_is_told_apart_from_its_primary(tmp_path: Path) -> None:
    with (
        engine_of(tmp_path / "primary", {"repl-diskless-sync-delay": "0"}) as (primary, _),
        engine_of(tmp_path / "replica") as (replica, store),
    ):
        ask(replica, "REPLICAOF", "127.0.0.1", primary.port)
        until(lambda: ask(replica, "INFO", "replication")["master_link_status"] == "up")

        assert refusal(store) == "store_read_only"
        assert is_untouched(store)


def test_an_engine_without_memory_stores_nothing_by_halves(tmp_path: Path) -> None:
    with engine_of(tmp_path, {"maxmemory-policy": "noeviction"}) as (engine, store):
        ask(engine, "CONFIG", "SET", "maxmemory", "1")
        assert refusal(store) == "store_out_of_memory"
        ask(engine, "CONFIG", "SET", "maxmemory", "0")

        assert is_untouched(store)


def test_a_slow_script_of_somebody_else_is_told(tmp_path: Path) -> None:
    with engine_of(tmp_path, {"lua-time-limit": "1"}) as (engine, store):
        endless = threading.Thread(target=runs_for_ever, args=(engine,))
        endless.start()
        until(lambda: not is_free(engine))
        assert refusal(store) == "store_busy_script"
        ask(engine, "SCRIPT", "KILL")
        endless.join()

        assert is_untouched(store)


def test_an_engine_that_answers_too_slowly_counts_as_gone(tmp_path: Path) -> None:
    with engine_of(tmp_path) as (engine, _), closing(store_at(engine.url)) as store:
        store.load(KEY)
        ask(engine, "CLIENT", "PAUSE", 600_000)
        assert refusal(store) == "store_unavailable"


def test_what_a_call_waits_in_all_leaves_a_callback_time_to_answer() -> None:
    """Live waits for 5 s, and a callback is answered within 3."""
    assert WAITS_NUMBER * max(CONNECT_S, ANSWER_S) < 2.8


def test_an_engine_that_still_loads_is_told(tmp_path: Path) -> None:
    with saying(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        store = RedisStore(f"redis://127.0.0.1:{port}?{PATIENT}", stage="test", rate=50)
        assert refusal(store) == "store_loading"


def test_a_password_is_used_and_never_told(tmp_path: Path) -> None:
    with Engine(tmp_path, options={"requirepass": "hidden"}) as engine:

        def store(who: str) -> RedisStore:
            return store_at(f"redis://{who}127.0.0.1:{engine.port}?{PATIENT}")

        assert refusal(store("")) == "store_needs_password"
        assert refusal(store("default:wrong@")) == "store_wrong_password"
        with pytest.raises(StoreUnavailable, match=f"^127.0.0.1:{engine.port}: (?!.*wrong@)"):
            store("default:wrong@").load(KEY)
        allowed = store("default:hidden@")
        assert allowed.save_or_claim(SAVING) == Stored(version_of(allowed))


@pytest.mark.prove
def test_the_way_there_may_be_encrypted_and_the_other_end_proved(tmp_path: Path) -> None:
    """Debian's server: the wheel's was built without TLS."""
    certificate(tmp_path)
    files = {f"tls-{name}-file": f"{tmp_path}/{name}.pem" for name in ("cert", "key")}
    with (
        ReservedPort() as reserved,
        Engine(
            tmp_path,
            program=program("redis"),
            options={**files, "tls-port": str(reserved.port), "tls-auth-clients": "no"},
        ),
    ):
        url = f"rediss://127.0.0.1:{reserved.port}?ssl_ca_certs={tmp_path}/cert.pem"
        trusting = RedisStore(url, stage="test", rate=50)
        assert trusting.save_or_claim(SAVING) == Stored(version_of(trusting))
        unknown = store_at(f"rediss://127.0.0.1:{reserved.port}?{PATIENT}")
        assert refusal(unknown) == "store_untrusted"


def test_a_save_whose_answer_was_lost_is_answered_again_and_not_done_again(
    tmp_path: Path, clock: Clock
) -> None:
    with engine_of(tmp_path) as (_, store):
        again = replace(SAVING, version=saved_version(store, SAVING))
        keys, rows = store.keys_of(KEY), encode_save(again, 20)
        first = store._run(scripts.SAVE_OR_CLAIM, keys, rows)

        assert store._run(scripts.SAVE_OR_CLAIM, keys, rows) == first
        assert version_of(store) > again.version
        assert store.history(KEY, 9)[0].count == 2


def test_a_callback_costs_one_round_trip_to_load_and_one_to_save_or_claim(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine, counting(engine.port) as (port, asked):
        store = RedisStore(f"redis://127.0.0.1:{port}", stage="test", rate=0.01)
        flying = claiming(SAVING.if_no_slot)
        store.save_or_claim(flying)  # from now on it knows the script, and the way
        store.load(KEY)
        asked.clear()
        version = store.load(KEY).version
        assert len(asked) == 1
        again = replace(flying, version=version, slot_wait_ms=250, entries=SAVING.entries)
        assert not isinstance(store.save_or_claim(again), Conflict)
        assert len(asked) == 2
        assert store.rate_limit_use().used > 0


def test_an_engine_that_forgot_its_scripts_is_given_them_again(tmp_path: Path) -> None:
    with engine_of(tmp_path) as (engine, store):
        store.load(KEY)
        ask(engine, "SCRIPT", "FLUSH")

        assert store.save_or_claim(SAVING) == Stored(version_of(store))


def test_the_clock_is_the_engine_s_own_and_what_a_laptop_adds_to_it(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine:
        before = time.time() * 1000
        now = RedisStore(engine.url, stage="test", rate=50).now()
        ahead = RedisStore(engine.url, stage="test", rate=50, ahead=lambda: 3_600_000).now()
        after = time.time() * 1000

        assert before - 1 <= now <= after
        assert now + 3_600_000 <= ahead <= after + 3_600_000


def test_two_stages_share_an_engine_and_nothing_else(tmp_path: Path) -> None:
    with engine_of(tmp_path) as (engine, store):
        store.save_or_claim(SAVING)

        assert is_untouched(RedisStore(engine.url, stage="other", rate=50))
        assert not is_untouched(RedisStore(f"{engine.url}?stage=test", stage="other", rate=50))


# --- clusters -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cluster_s_own_node_is_found_and_every_step_stays_within_one_slot(
    tmp_path: Path,
) -> None:
    with cluster_node(tmp_path / "a") as a, cluster_node(tmp_path / "b") as b:
        join((a, b), ())
        for engine in (a, b):
            store = RedisStore(engine.url, stage="test", rate=50, clock=lambda: NOON)
            save = replace(SAVING, version=version_of(store))
            assert store.save_or_claim(save) == Stored(version_of(store))
            touch_everything(store)


def touch_everything(store: RedisStore) -> None:
    store.take_due(5, 0)
    store.register("reconcile", "me", 1000)
    store.deregister("reconcile", "me")
    store.touch("x")
    assert store.age_ms("x") is not None
    assert store.ages()["x"] >= 0
    assert store.rate_limit_use().rate == 50
    assert store.queue().depth <= 1
    store.next_due()
    assert store.poll_slot(10_000) is not None
    store.pause_slots(10)
    store.watched(KEY.domain)
    store.put_policy("{}", replaces=0)
    assert store.get_policy()


# --- the other side -----------------------------------------------------------------------------


def is_free(engine: Engine) -> bool:
    try:
        return bool(ask(engine, "PING"))
    except RedisError:
        return False


def runs_for_ever(engine: Engine) -> None:
    with suppress(RedisError), Redis(host="127.0.0.1", port=engine.port) as client:
        client.execute_command("EVAL", "while true do end", 0)


@contextmanager
def counting(port: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the port of a proxy to `port`, and the list of the requests: the first data after each
    answer."""
    asked: list[bytes] = []
    is_answered = [True]

    def from_client(said: bytes) -> None:
        if is_answered[0]:
            asked.append(said)
        is_answered[0] = False

    def from_server(_said: bytes) -> None:
        is_answered[0] = True

    def serve() -> None:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        back = threading.Thread(target=carry, args=(server, client, from_server), daemon=True)
        back.start()
        carry(client, server, from_client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked


def carry(one: socket.socket, other: socket.socket, heard: Callable[[bytes], None]) -> None:
    with one, suppress(OSError):
        while said := one.recv(1 << 16):
            heard(said)
            other.sendall(said)


def test_a_release_that_knows_no_duration_keeps_files_in_one_engine_with_ours(
    engines: Callable[[str], str],
) -> None:
    """It said "1" of every file, the one after it its duration; what they kept stays as it is."""
    url = engines("valkey")
    with closing(RedisStore(url, stage="files", rate=50, clock=lambda: NOON)) as store:
        files = (File("b.mp4", NOON, NOON + 2, 1_500), File("a.mp4", NOON, NOON + 1, 1))
        store.save_or_claim(replace(SAVING, files=files))
        with closing(Redis.from_url(url)) as before:
            before.hset("live-record:{files}:uris", f"{KEY.domain}\0a.mp4", "1")
            before.hset("live-record:{files}:uris", f"{KEY.domain}\0b.mp4", "1400ms")
        retold = (File("b.mp4", NOON + 1, NOON + 3, 7), File("a.mp4", None, NOON + 9))
        store.save_or_claim(replace(SAVING, version=version_of(store), files=retold))

        kept = [File("b.mp4", NOON, NOON + 2, 1_400), File("a.mp4", NOON, NOON + 1)]
        assert store.files(KEY, 9) == kept

"""How many replicas of the store had a request when it was answered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.drills.servers import Pair, ask, pair, until
from cli.local.redis_server import Engine
from shared.protocol import Published
from tests.conftest import NOON, Clock
from tests.support.scripted_stage import Stage


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("pair")) as engines:
        yield engines


def stage_on(folder: Path, clock: Clock, url: str) -> Stage:
    patient = "socket_timeout=30&socket_connect_timeout=30"
    return Stage(folder, clock, LIVE_RECORD_STORE=f"{url}?stage={folder.name}&{patient}")


@pytest.mark.slow
def test_an_answer_says_how_many_replicas_have_it(
    tmp_path: Path, clock: Clock, engines: Pair
) -> None:
    stage = stage_on(tmp_path, clock, engines.primary.url)
    stage.happens(Published(NOON))
    until(lambda: stage.start().json["replicated"] == 1)  # within 100 ms, once the machine has time
    stage.store.close()


@pytest.mark.slow
def test_a_replica_that_lags_is_not_counted(tmp_path: Path, clock: Clock, engines: Pair) -> None:
    stage = stage_on(tmp_path, clock, engines.primary.url)
    os.kill(engines.replica.pid, signal.SIGSTOP)
    try:
        assert stage.start().json["replicated"] == 0
    finally:
        os.kill(engines.replica.pid, signal.SIGCONT)
    stage.store.close()


@pytest.mark.slow
@pytest.mark.parametrize("forbidden", ["-role", "-wait", "-role -wait"])
def test_a_user_who_may_not_ask_is_answered_all_the_same(
    tmp_path: Path, clock: Clock, engines: Pair, forbidden: str
) -> None:
    ask(engines.primary, "ACL", "SETUSER", "lr", "on", ">lr", "~*", "+@all", *forbidden.split())
    stage = stage_on(tmp_path, clock, engines.primary.url.replace("redis://", "redis://lr:lr@"))
    got = stage.start()

    assert got.status == 200
    assert got.json["replicated"] in ({1, None} if forbidden == "-role" else {None})
    stage.store.close()


def test_without_a_replica_nothing_is_said_and_nothing_waited_for(
    tmp_path: Path, clock: Clock
) -> None:
    with Engine(tmp_path / "engine") as engine:
        stage = stage_on(tmp_path, clock, engine.url)
        assert stage.start().json["replicated"] is None
        asked = str(ask(engine, "INFO", "commandstats"))
        stage.store.close()

    assert "cmdstat_role" in asked
    assert "cmdstat_wait" not in asked


def test_a_file_has_no_replicas(tmp_path: Path, clock: Clock) -> None:
    stage = Stage(tmp_path, clock)
    assert stage.start().json["replicated"] is None
    stage.store.close()


def test_a_node_that_has_lost_its_role_since_the_save_says_nothing(
    tmp_path: Path, clock: Clock
) -> None:
    with Engine(tmp_path / "engine") as engine, Engine(tmp_path / "other") as other:
        stage = stage_on(tmp_path, clock, engine.url)
        stage.happens(Published(NOON))
        ask(engine, "REPLICAOF", "127.0.0.1", other.port)
        assert stage.store.replicated(100) is None
        stage.store.close()

"""What the tests share: a clock that is set, a store of each engine, records made by builders."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from cli.local.no_proxy import reach_directly
from cli.local.redis_server import Engine, redis, valkey
from shared.protocol import Command, StreamKey
from shared.protocol.reason import Reason
from shared.protocol.state.command import PendingCommand
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.store import Store, open_store
from shared.store.contract import Claimed, Save, Stored
from tests.simulation.memory import MemoryStore, Shared
from tests.support.empty_database import sqlite_url

reach_directly()
settings.register_profile(
    "ours",
    deadline=None,  # a busy machine is no fault of the code's
    suppress_health_check=[HealthCheck.too_slow],  # as the deadline
)
settings.register_profile("quick", settings.get_profile("ours"), max_examples=30)
settings.load_profile(os.environ.get("EXAMPLES", "ours"))

KEY = StreamKey("live.example.com", "app", "room1")
EXHAUSTIVE_S = 3 * 3600
"""For a test that takes a minute or more: a hang ends, a slow machine does not fail."""
NOON = 1_763_800_000_000


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line speak English, and undo what a test's last command chose."""
    monkeypatch.setenv("LANGUAGE", "en")


class Clock:
    """Time stands still until it is told to pass."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now += ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


OpenStore = Callable[..., Store]
ENGINES = ("sqlite", "valkey", pytest.param("redis", marks=pytest.mark.prove))
PATIENT = "socket_timeout=30&socket_connect_timeout=30"
"""What a store promises does not depend on how busy the machine is; tests/store/test_store_redis.py
has what it says of an engine that does not answer in time."""


GARBAGE_OBJECTS = 50_000
"""How many more objects than before let the garbage collector run; 700 without this."""
MEMORY = "/dev/shm"
RUN_BYTES = 2 << 30
"""More than all files of a quick run, though those of each test that passed are deleted at once."""
_current: dict[str, pytest.Item] = {}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect with the garbage collector off: all that is made stays until the end. Freeze it, so
    that the collector does not look through thousands of tests again and again while they run. It
    runs seldom then: syntax trees and the like have no cycles, but fill each of its generations."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE_OBJECTS)
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Spare quick tests what costs time and proves nothing: the machine's root certificates, which
    each new TLS context would read, and the disk, for which SQLite waits after most transactions.
    """
    if "not slow" not in config.option.markexpr:
        return
    os.environ["SSL_CERT_FILE"] = os.devnull  # a test that speaks TLS has certificates of its own
    if _has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY


def _has_room(folder: str) -> bool:
    """Return True if the folder exists, and takes what a run writes and the programs of tests."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > RUN_BYTES and not found.f_flag & os.ST_NOEXEC


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, so that none is left to run alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note which test is about to run, before its fixtures ask for programs."""
    _current["test"] = item


def program(kind: str) -> str:
    """Return the server's program: Valkey comes with a wheel, `.ci/run` installs Redis.

    A test without the mark `prove` may not use Redis, even where it is installed: `make test` has
    to pass where it is not.
    """
    if kind == "redis" and _current["test"].get_closest_marker("prove") is None:
        pytest.fail("This test needs Debian's Redis. Mark it `prove`, or use Valkey.")
    found = valkey() if kind == "valkey" else redis()
    if found is None:
        pytest.fail(f"There is no {kind}-server here. Install it.")
    return found


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Yield a function that starts a server of a kind on first use and returns its address."""
    running: dict[str, Engine] = {}

    def url(kind: str) -> str:
        if kind not in running:
            running[kind] = Engine(tmp_path_factory.mktemp(kind), program=program(kind))
            running[kind].start()
        return running[kind].url

    yield url
    for engine in running.values():
        engine.stop()


def _url(kind: str, tmp_path: Path, engines: Callable[[str], str]) -> str:
    if kind == "sqlite":
        return sqlite_url(tmp_path)
    return f"{engines(kind)}?stage={uuid4().hex}&{PATIENT}"


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path, engines: Callable[[str], str]) -> str:
    """Of a store that is empty."""
    return _url(request.param, tmp_path, engines)


@pytest.fixture(params=(*ENGINES, "memory"))
def another_store(
    request: pytest.FixtureRequest, tmp_path: Path, engines: Callable[[str], str], clock: Clock
) -> Iterator[OpenStore]:
    """Yield a function that opens one more client of the same store, as another instance would.

    "memory" is the store of tests/simulation, which has to meet the same contract.
    """
    shared, opened = Shared(), list[Store]()
    url = "" if request.param == "memory" else _url(request.param, tmp_path, engines)

    def open_one(store_id: str = "") -> Store:
        if not url:
            memory = MemoryStore(rate=50, clock=clock, shared=shared, store_id=store_id)
            return cast("Store", memory)
        store = open_store(url, rate=50, clock=clock, store_id=store_id)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(another_store: OpenStore) -> Store:
    return another_store()


def owing(
    command: Command, *, key: StreamKey = KEY, at: int = NOON, since: int = NOON
) -> StreamRecord:
    """Return a record with one pending command."""
    intent = Intent(generation=1, wanted=command is Command.START, reason=Reason.ASKED_START)
    return StreamRecord(key, intent, PendingCommand(command, Reason.ASKED_START, 1, since, at))


def saving(record: StreamRecord, *, version: int = 0) -> Save:
    return Save(version=version, if_no_slot=record)


def version_of(store: Store, key: StreamKey = KEY) -> int:
    """Return the version of the record that the store holds, 0 without one."""
    return store.load(key).version


def saved_version(store: Store, save: Save) -> int:
    """Save, and return the new version. Fail if nothing was saved."""
    saved = store.save_or_claim(save)
    assert isinstance(saved, Stored | Claimed)
    return saved.version

"""What the tests share: a clock that is set, a store of each engine, records made by builders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.domain import Command, StreamKey
from shared.domain.because import Code
from shared.domain.record import Owed, Recording, Wish
from shared.domain.storing import Save
from shared.store import SqliteStore, open_store

KEY = StreamKey("live.example.com", "app", "room1")
NOON = 1_763_800_000_000


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


OpenStore = Callable[[], SqliteStore]


@pytest.fixture(params=["sqlite"])
def another_store(tmp_path: Path, clock: Clock) -> Iterator[OpenStore]:
    """Opens one more client of the same store, as another instance would."""
    opened: list[SqliteStore] = []

    def open_one() -> SqliteStore:
        store = open_store(f"sqlite:///{tmp_path}/records.db", rate=50, clock=clock)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(another_store: OpenStore) -> SqliteStore:
    return another_store()


def owing(
    command: Command, *, key: StreamKey = KEY, at: int = NOON, since: int = NOON
) -> Recording:
    """A record that owes one command."""
    wish = Wish(gen=1, wanted=command is Command.START, why=Code.ASKED_START)
    return Recording(key, wish, Owed(command, Code.ASKED_START, 1, since, at))


def saving(record: Recording, *, version: int = 0) -> Save:
    return Save(version=version, queued=record)

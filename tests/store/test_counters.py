"""The contract of the counters: exact over any number of instances, and free with a save."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol import Command, StreamKey
from shared.protocol.state.recording import StreamRecord
from shared.store import Store
from shared.store.contract import Conflict, Save, Stored
from tests.conftest import KEY, OpenStore, owing, saving, version_of


def counting(**counts: int) -> Save:
    return replace(saving(owing(Command.START)), counts=counts)


def test_a_new_stage_has_counted_nothing(store: Store) -> None:
    assert store.counters() == {}


def test_what_several_instances_count_is_added_up(another_store: OpenStore) -> None:
    one, two = another_store(), another_store()
    one.count({"a": 1, "b": 7})
    two.count({"a": 2})

    assert one.counters() == two.counters() == {"a": 3, "b": 7}


def test_a_save_adds_its_counts(store: Store) -> None:
    assert isinstance(store.save_or_claim(counting(a=1)), Stored)
    other = StreamKey("live.example.com", "app", "room2")
    store.save_or_claim(replace(saving(owing(Command.START, key=other)), counts={"a": 1, "b": 40}))

    assert store.counters() == {"a": 2, "b": 40}


def test_a_conflict_counts_nothing(store: Store) -> None:
    store.save_or_claim(counting(a=1))

    assert store.save_or_claim(counting(a=1)) == Conflict()
    assert store.counters() == {"a": 1}


def test_what_is_counted_stays_when_its_stream_is_forgotten(store: Store) -> None:
    store.save_or_claim(counting(a=1))
    store.save_or_claim(
        replace(saving(StreamRecord(KEY), version=version_of(store)), counts={"a": 1})
    )

    assert store.load(KEY).version == 0
    assert store.counters() == {"a": 2}

"""What the store keeps for alerts: the book, its messages, the rate of each robot."""

from __future__ import annotations

import pytest

from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import OF_STAGE, OUTBOX_MAX_BYTES, NewTask, TaskKind
from shared.protocol import StreamRecord
from shared.store import Store
from shared.store.contract import AlertsCopy, Save
from tests.conftest import KEY, Clock, OpenStore
from tests.support.settling import settle

KIND = TaskKind.VERIFY_FILE


def task(name: str, body: str = "{}") -> NewTask:
    return NewTask(name, KIND, body)


def test_a_book_replaces_the_one_it_was_made_from(another_store: OpenStore) -> None:
    ours, theirs = another_store(), another_store()
    assert ours.alerts() == AlertsCopy(0, "")
    assert ours.put_alerts('{"a":1}', replaces=0) == 0
    assert theirs.alerts() == AlertsCopy(1, '{"a":1}')
    assert theirs.put_alerts("{}", replaces=1) == 0
    assert ours.alerts() == AlertsCopy(2, "{}")


def test_of_two_books_made_from_one_the_second_is_refused_with_its_messages(store: Store) -> None:
    assert store.put_alerts("first", replaces=0, tasks=[task("a")]) == 0
    assert store.put_alerts("second", replaces=0, tasks=[task("b")]) is None
    assert store.alerts().text == "first"
    assert [one.task.id for one in store.open_tasks(after="", limit=9)] == ["a"]


def test_a_message_of_the_stage_is_taken_and_settled_like_every_task(store: Store) -> None:
    store.put_alerts("{}", replaces=0, tasks=[task("a", '{"sink": "ops"}')])
    (taken,) = store.take_tasks(KIND.value, limit=9, lease_ms=9_000)
    assert (taken.id, taken.stream, taken.body) == ("a", OF_STAGE, '{"sink": "ops"}')
    assert settle(store, taken, Settlement(Next.DONE))
    assert store.outbox().open == 0


def test_a_message_without_room_is_dropped_and_counted_and_the_book_is_stored(store: Store) -> None:
    big = task("big", "x" * (OUTBOX_MAX_BYTES - 500))
    assert store.put_alerts("1", replaces=0, tasks=[big, task("b")]) == 1
    assert (store.alerts().text, store.outbox().dropped) == ("1", 1)


def test_open_tasks_of_a_kind_come_with_the_last_due_first(store: Store, clock: Clock) -> None:
    record = StreamRecord(KEY, changed_at=1)
    store.save_or_claim(Save(0, record, tasks=(task("a"), task("b"), task("c"))))
    (first,) = store.take_tasks(KIND.value, limit=1, lease_ms=9_000)
    settle(store, first, Settlement(Next.RETRY, retry_in_ms=600_000, why="OSS refuses"))
    clock.pass_ms(1)
    found = store.open_of_kind(KIND.value, limit=2)
    assert [one.id for one in found] == ["a", "c"]
    assert found[0].why == "OSS refuses"
    assert store.open_of_kind("another", limit=2) == []


def test_a_robots_slots_are_as_far_apart_as_it_wants(store: Store, clock: Clock) -> None:
    assert store.take_slot("robot:ops", 3_500, 0) == 0
    assert store.take_slot("robot:ops", 3_500, 0) is None
    assert store.take_slot("robot:ops", 3_500, 5_000) == pytest.approx(3_500)
    assert store.take_slot("robot:other", 3_500, 0) == 0
    clock.pass_ms(7_000)
    assert store.take_slot("robot:ops", 3_500, 0) == 0
    assert store.poll_slot(0) == 0

"""Schedules in the store, on every engine: replaced in one step, due in the order of time."""

from __future__ import annotations

from shared.store import Store
from shared.store.contract import InForce
from tests.conftest import NOON, OpenStore


def test_a_schedule_is_seen_by_every_instance(another_store: OpenStore) -> None:
    first, second = another_store(), another_store()

    assert first.get_schedule("show") is None
    assert first.put_schedule("show", "one", NOON, replaces=None)
    assert first.put_schedule("a", "two", None, replaces=None)

    assert second.get_schedule("show") == "one"
    assert list(second.schedules().items()) == [("a", "two"), ("show", "one")]


def test_of_two_writers_who_replace_the_same_one_succeeds(store: Store) -> None:
    store.put_schedule("show", "one", None, replaces=None)

    assert not store.put_schedule("show", "two", None, replaces=None)
    assert store.put_schedule("show", "two", None, replaces="one")
    assert not store.put_schedule("show", "three", None, replaces="one")
    assert not store.remove_schedule("show", replaces="one")
    assert store.get_schedule("show") == "two"


def test_a_schedule_that_was_removed_is_no_longer_due(store: Store) -> None:
    store.put_schedule("show", "one", 0, replaces=None)

    assert store.remove_schedule("show", replaces="one")
    assert store.due_schedules(9) == store.schedules() == {}


def test_what_is_due_comes_in_the_order_of_its_time(store: Store) -> None:
    now = store.now()
    times = {"late": now - 1, "first": now - 2, "never": None, "tomorrow": now + 86_400_000}
    for name, due_at in times.items():
        store.put_schedule(name, name, due_at, replaces=None)

    assert list(store.due_schedules(9)) == ["first", "late"]
    assert list(store.due_schedules(1)) == ["first"]

    store.put_schedule("first", "first", None, replaces="first")
    assert list(store.due_schedules(9)) == ["late"]


def test_the_rules_of_a_schedule_are_read_with_the_policy(another_store: OpenStore) -> None:
    first, second = another_store(), another_store()
    assert second.in_force() == InForce(None, {})

    policy = first.put_policy("{}", replaces=0)
    first.put_schedule("show", "one", None, replaces=None, rules="[1]")
    first.put_schedule("other", "one", None, replaces=None)

    assert second.in_force() == InForce(policy, {"show": "[1]"})


def test_they_are_replaced_with_their_schedule_alone(store: Store) -> None:
    store.put_schedule("show", "one", None, replaces=None, rules="[1]")
    store.put_schedule("show", "two", None, replaces="none of these", rules="[2]")
    assert store.in_force().temporary == {"show": "[1]"}

    store.put_schedule("show", "two", None, replaces="one", rules="[2]")
    assert store.in_force().temporary == {"show": "[2]"}

    store.remove_schedule("show", replaces="one")
    assert store.in_force().temporary == {"show": "[2]"}
    store.remove_schedule("show", replaces="two")
    assert store.in_force().temporary == {}


def test_a_schedule_without_patterns_has_none_any_more(store: Store) -> None:
    store.put_schedule("show", "one", None, replaces=None, rules="[1]")

    store.put_schedule("show", "two", None, replaces="one")

    assert store.in_force().temporary == {}

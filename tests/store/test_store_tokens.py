"""API tokens in the store, on every engine: added once under a name, listed, removed."""

from __future__ import annotations

import pytest

from shared.store import Store
from shared.store.store_errors import ForeignStore
from tests.conftest import OpenStore
from tests.support.emptied_store import empty


def test_a_token_that_was_added_is_seen_by_every_instance(another_store: OpenStore) -> None:
    first, second = another_store(), another_store()

    assert first.tokens() == {}
    assert first.add_token("tv", "one")
    assert first.add_token("ops", "two")
    assert list(second.tokens().items()) == [("ops", "two"), ("tv", "one")]


def test_a_name_that_is_taken_stays_whose_it_is(store: Store) -> None:
    store.add_token("tv", "one")

    assert not store.add_token("tv", "two")
    assert store.tokens() == {"tv": "one"}


def test_adding_the_same_once_more_changes_nothing(store: Store) -> None:
    assert [store.add_token("tv", "one"), store.add_token("tv", "one")] == [True, True]
    assert store.tokens() == {"tv": "one"}


def test_a_token_is_removed_once(store: Store) -> None:
    store.add_token("tv", "one")

    assert [store.remove_token("tv"), store.remove_token("tv")] == [True, False]
    assert store.tokens() == {}


def test_an_emptied_store_has_no_tokens(another_store: OpenStore) -> None:
    store = another_store("cn-shanghai.prod.aaaa")
    store.accept(replaces="")
    store.add_token("tv", "one")
    empty(store)

    assert store.tokens() == {}


def test_the_tokens_of_another_stage_are_not_shown(another_store: OpenStore) -> None:
    theirs, ours = another_store("cn-shanghai.prod.aaaa"), another_store("cn-shanghai.dev.bbbb")
    theirs.accept(replaces="")
    theirs.add_token("tv", "one")

    with pytest.raises(ForeignStore):
        ours.tokens()

"""What a store says of itself once it was emptied, or belongs to another stage, on every engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.protocol import Command
from shared.store import Store
from shared.store.store_errors import ForeignStore
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, saving
from tests.support.emptied_store import empty

OURS, THEIRS = "cn-shanghai.prod.aaaa", "cn-shanghai.staging.bbbb"
HOUR_MS = 3_600_000
Touch = Callable[[Store], object]
TOUCHES: tuple[Touch, ...] = (
    lambda store: store.load(KEY),
    lambda store: store.register("reconcile", "timer", 2000),
)


@pytest.fixture
def store(another_store: OpenStore) -> Store:
    """Return the store of a deployed stage, which has accepted it."""
    store = another_store(OURS)
    store.accept(replaces="")
    return store


def test_an_accepted_store_is_not_emptied(store: Store) -> None:
    store.register("reconcile", "timer", 2000)

    assert store.load(KEY).continuity.emptied_at is None
    assert store.state().store_id == OURS


@pytest.mark.parametrize("touch", TOUCHES, ids=("load", "register"))
def test_an_emptied_store_is_noticed_at_the_first_touch_and_stays_so(
    store: Store, clock: Clock, touch: Touch
) -> None:
    store.save_or_claim(saving(owing(Command.STOP)))
    empty(store)
    clock.pass_ms(5_000)
    touch(store)
    clock.pass_ms(HOUR_MS)
    loaded = store.load(KEY)

    assert loaded.version == 0
    assert loaded.continuity.emptied_at == NOON + 5_000
    assert store.state().emptied_at == NOON + 5_000
    assert store.state().store_id is None


def test_what_is_saved_after_that_does_not_make_it_whole(store: Store) -> None:
    empty(store)
    store.load(KEY)
    store.save_or_claim(saving(owing(Command.STOP)))
    store.register("reconcile", "timer", 2000)

    assert store.load(KEY).continuity.emptied_at == NOON


def test_accepting_it_ends_that(store: Store) -> None:
    empty(store)
    store.load(KEY)
    assert store.accept(replaces="").store_id == OURS

    assert store.load(KEY).continuity.emptied_at is None


def test_when_it_was_found_empty_is_known_after_that(store: Store, clock: Clock) -> None:
    empty(store)
    store.load(KEY)
    clock.pass_ms(5_000)
    store.accept(replaces="")

    assert store.load(KEY).continuity.found_empty_at == NOON
    assert store.continuity().found_empty_at == NOON


def test_a_store_of_another_stage_is_used_for_nothing(
    store: Store, another_store: OpenStore
) -> None:
    theirs = another_store(THEIRS)
    with pytest.raises(ForeignStore, match=OURS):
        theirs.load(KEY)
    with pytest.raises(ForeignStore, match=OURS):
        theirs.register("reconcile", "theirs", 2000)

    assert store.register("reconcile", "ours", 2000) == 0


def test_another_stage_s_id_is_replaced_only_by_name(
    store: Store, another_store: OpenStore
) -> None:
    theirs = another_store(THEIRS)
    assert theirs.accept(replaces="").store_id == OURS
    assert theirs.accept(replaces="a.third.one").store_id == OURS
    assert theirs.accept(replaces=OURS).store_id == THEIRS

    assert theirs.load(KEY).version == 0
    with pytest.raises(ForeignStore):
        store.load(KEY)


def test_a_stage_without_an_id_checks_nothing(another_store: OpenStore) -> None:
    without = another_store()
    without.register("reconcile", "timer", 2000)

    assert without.load(KEY).continuity.emptied_at is None
    assert without.state().emptied_at is None

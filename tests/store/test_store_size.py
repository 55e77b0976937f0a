"""How full an engine is, and when it will be full."""

from __future__ import annotations

from shared.store import Store
from shared.store.contract import DAY_MS, Size, growth
from tests.conftest import Clock


def test_an_engine_says_how_full_it_is(store: Store) -> None:
    size = store.size()

    assert size is not None
    if store.durability().engine != "memory":
        assert size.used > 0
        assert size.limit is not None
        assert size.limit > size.used
    assert size.per_day is None


def per_day(store: Store) -> float | None:
    size = store.size()
    return size.per_day if size else None


def test_growth_is_known_after_a_day_and_over_eight_days_at_most(
    store: Store, clock: Clock
) -> None:
    is_memory = store.durability().engine == "memory"
    for day in range(12):
        store.note_size()
        store.note_size()
        assert (per_day(store) is None) is (is_memory or day == 0)
        clock.pass_ms(DAY_MS)

    assert (per_day(store) is None) is is_memory


def test_growth_counts_from_the_oldest_sample() -> None:
    assert growth({}, 5, DAY_MS) is None
    assert growth({0: 100}, 300, DAY_MS - 1) is None
    assert growth({0: 100, DAY_MS: 500}, 300, 2 * DAY_MS) == 100


def test_an_engine_that_does_not_grow_is_never_full() -> None:
    assert Size(10, 100, 10).full_in_ms == 9 * DAY_MS
    assert Size(10, 100, -1).full_in_ms is None
    assert Size(10, 100).full_in_ms is None
    assert Size(10).full_in_ms is None
    assert Size(110, 100, 10).full_in_ms == 0

"""What a process counts without a save is stored together, and seldom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from shared.engine.tally import STORED_EVERY_MS, Tally
from shared.store.store_errors import StoreUnavailable
from tests.conftest import NOON, Clock


class Counting:
    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.is_away = False

    def count(self, counts: Mapping[str, int]) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.counted.update(counts)


class Slow:
    """A store that takes a write when the call ends."""

    def __init__(self, clock: Clock, takes_ms: int) -> None:
        self._clock = clock
        self.takes_ms = takes_ms
        self.written_at: list[int] = []

    def count(self, counts: Mapping[str, int]) -> None:
        assert counts
        self._clock.pass_ms(self.takes_ms)
        self.written_at.append(self._clock())


def count(tally: Tally, times: int) -> None:
    for _ in range(times):
        tally.add("a")
        tally.store_if_due()


def test_the_first_is_stored_at_once_and_the_next_with_the_others(clock: Clock) -> None:
    store = Counting()
    tally = Tally(store, clock)
    count(tally, 4)
    assert store.counted == {"a": 1}
    clock.pass_ms(STORED_EVERY_MS)
    count(tally, 1)

    assert store.counted == {"a": 5}


def test_what_a_store_that_is_away_has_missed_is_stored_later(clock: Clock) -> None:
    store = Counting()
    store.is_away = True
    tally = Tally(store, clock)
    count(tally, 3)
    store.is_away = False
    clock.pass_ms(STORED_EVERY_MS)
    tally.store_if_due()

    assert store.counted == {"a": 3}


def test_no_write_follows_sooner_upon_one_that_took_long(clock: Clock) -> None:
    store = Slow(clock, takes_ms=500)
    tally = Tally(store, clock)
    count(tally, 1)
    store.takes_ms = 0
    for pause in (STORED_EVERY_MS - 500, 500):
        clock.pass_ms(pause)
        count(tally, 1)

    assert store.written_at == [NOON + 500, NOON + 500 + STORED_EVERY_MS]


def test_a_clock_that_was_set_back_does_not_silence_it(clock: Clock) -> None:
    store = Counting()
    tally = Tally(store, clock)
    count(tally, 1)
    clock.pass_ms(-3_600_000)
    count(tally, 1)

    assert store.counted == {"a": 2}

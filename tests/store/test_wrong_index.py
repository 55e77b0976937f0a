"""The contract of the index of what is wrong: wanted and live, and not recorded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from shared.protocol import StreamKey
from shared.protocol.derived.wrong import UNDECIDED_MS
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session, SessionState
from shared.store import Store, open_store
from tests.conftest import KEY, NOON, Clock, saving, version_of
from tests.support.stream_story import recording

HOUR_MS = 3_600_000


def lost(name: str, since: int = NOON) -> StreamRecord:
    intent = Intent(1, wanted=True, requester=Requester.PERSON, made_at=since - HOUR_MS)
    key = StreamKey("live.example.com", "app", name)
    return StreamRecord(key, intent, session=Session(1, since, since))


def found(store: Store, until: int = NOON + HOUR_MS, limit: int = 9) -> list[tuple[int, str]]:
    rows = store.wrong(until, after=None, limit=limit)
    return [(row.since, row.key.stream) for row in rows]


def test_what_is_lost_for_the_longest_comes_first(store: Store) -> None:
    for name, since in (("b", NOON), ("c", NOON - 5), ("a", NOON)):
        store.save_or_claim(saving(lost(name, since)))

    assert found(store) == [(NOON - 5, "c"), (NOON, "a"), (NOON, "b")]


def test_the_rows_carry_their_records(store: Store) -> None:
    store.save_or_claim(saving(lost("a")))

    assert [row.record for row in store.wrong(NOON, after=None, limit=1)] == [lost("a")]


def test_pages_go_on_behind_the_one_before_also_within_one_moment(store: Store) -> None:
    for number in range(7):
        store.save_or_claim(saving(lost(str(number))))
    names, after = list[str](), None
    while page := store.wrong(NOON, after=after, limit=2):
        names += [row.key.stream for row in page]
        after = (page[-1].since, page[-1].key)

    assert names == list("0123456")


def test_it_is_counted_from_when_it_has_been_so_for_long_enough(store: Store, clock: Clock) -> None:
    store.save_or_claim(saving(lost("a", clock.now - 40_000)))
    store.save_or_claim(saving(lost("b", clock.now - 5_000)))

    assert (store.wrong_count(30_000).count, store.wrong_count(0).count) == (1, 2)
    assert store.wrong_count(30_000).oldest_ms == 40_000
    assert store.wrong_count(HOUR_MS).count == store.wrong_count(HOUR_MS).oldest_ms == 0


def test_it_leaves_the_index_once_it_is_recorded_or_unwanted(store: Store) -> None:
    store.save_or_claim(saving(lost("room1")))
    store.save_or_claim(saving(recording().record, version=version_of(store)))
    assert found(store) == []

    store.save_or_claim(saving(lost("room1"), version=version_of(store)))
    store.save_or_claim(saving(replace(lost("room1"), intent=Intent(2)), version=version_of(store)))
    assert found(store) == []


def test_what_may_have_ended_counts_once_that_should_have_been_decided(store: Store) -> None:
    ending = Session(1, NOON, NOON, state=SessionState.ENDING, off_since=NOON)
    store.save_or_claim(saving(replace(lost("a"), session=ending)))

    assert found(store, NOON + UNDECIDED_MS - 1) == []
    assert found(store, NOON + UNDECIDED_MS) == [(NOON + UNDECIDED_MS, "a")]


def test_a_forgotten_stream_leaves_no_row(store: Store) -> None:
    store.save_or_claim(saving(lost("room1")))
    store.save_or_claim(saving(StreamRecord(KEY), version=version_of(store)))

    assert found(store) == []
    assert store.wrong_count(-HOUR_MS).count == 0


def test_it_puts_nothing_into_the_command_queue(store: Store) -> None:
    store.save_or_claim(saving(lost("a")))

    assert store.next_due() is None
    assert not store.take_due(9, 0)


def test_a_note_is_kept_until_another_replaces_it(store: Store) -> None:
    assert store.get_text("decided") is None
    store.set_text("decided", "a")
    store.set_text("decided", "b")

    assert (store.get_text("decided"), store.get_text("another")) == ("b", None)


def test_a_file_of_the_release_before_gets_the_index_and_rows_as_records_are_saved(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "records.db"
    url = f"sqlite:///{path}"
    with closing(open_store(url, rate=45, clock=clock)) as store:
        store.save_or_claim(saving(lost("a")))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP INDEX record_wrong")
        db.execute("ALTER TABLE record DROP COLUMN wrong_at")
    with closing(open_store(url, rate=45, clock=clock)) as store:
        assert found(store) == []
        store.save_or_claim(saving(lost("a"), version=version_of(store, lost("a").key)))

        assert found(store) == [(NOON, "a")]

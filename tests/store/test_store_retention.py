"""One contract for every engine: what is deleted, when, and that nothing of it is left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace
from redis import Redis

from shared.protocol import Command, StreamKey
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session
from shared.store import Store, open_store
from shared.store.contract import Conflict, Filter, Save, Stored
from tests.conftest import KEY, NOON, Clock, owing, saved_version, saving, version_of
from tests.store.test_store import claiming

DAY_MS = 86_400_000
BLANK = StreamRecord(KEY)
FILE = File("record/1.mp4", NOON, NOON + 60_000)
LATER_FILE = File("record/2.mp4", NOON + 60_000, NOON + 90_000)


def idle(key: StreamKey = KEY, forget_at: int = NOON + DAY_MS) -> StreamRecord:
    intent = Intent(generation=2, requester=Requester.PERSON, reason=Reason.ASKED_STOP)
    return StreamRecord(key, intent, session=Session(1, NOON), forget_at=forget_at)


def forgetting(version: int) -> Save:
    return Save(version, BLANK)


def test_a_blank_record_is_deleted_with_all_that_is_stored_of_its_stream(store: Store) -> None:
    entries = (HistoryEntry(Reason.PUBLISHED),)
    store.save_or_claim(Save(0, idle(), entries=entries, files=(FILE,)))

    assert store.save_or_claim(forgetting(version_of(store))) == Stored(0)

    assert store.load(KEY).version == 0
    assert store.load(KEY).record == BLANK
    assert (store.history(KEY, 9), store.files(KEY, 9)) == ([], [])
    assert (store.phases(), store.queue().depth, store.next_due()) == ({}, 0, None)
    assert store.listed(Filter(), after=None, limit=9) == []
    assert store.watched(KEY.domain) == []


def test_a_record_that_changed_meanwhile_is_not_deleted(store: Store) -> None:
    old = saved_version(store, saving(idle()))
    store.save_or_claim(saving(owing(Command.STOP), version=old))

    assert store.save_or_claim(forgetting(old)) == Conflict()
    assert store.load(KEY).record == owing(Command.STOP)


def test_a_file_of_a_forgotten_stream_may_be_reported_again(store: Store) -> None:
    store.save_or_claim(Save(0, idle(), files=(FILE,)))
    store.save_or_claim(forgetting(version_of(store)))
    store.save_or_claim(Save(0, idle(), files=(FILE,)))

    assert store.files(KEY, 9) == [FILE]


def test_whoever_has_the_old_record_does_not_take_a_new_one_for_it(store: Store) -> None:
    first = saved_version(store, saving(idle()))
    old = saved_version(store, saving(idle(), version=first))
    store.save_or_claim(forgetting(old))

    new = store.save_or_claim(saving(owing(Command.START)))

    assert isinstance(new, Stored)
    assert new.version > old
    assert store.save_or_claim(saving(owing(Command.STOP), version=old)) == Conflict()
    assert store.load(KEY).record == owing(Command.START)


def test_a_forgotten_stream_leaves_its_place_in_a_quota(store: Store) -> None:
    quota = ConcurrencyQuota("*/*/*", of_rule=1, priority=0)
    start = claiming(owing(Command.START))
    first = replace(start, quota=quota, if_no_quota=owing(Command.START))
    other = replace(owing(Command.START), key=StreamKey("live.example.com", "app", "other"))
    store.save_or_claim(first)
    store.save_or_claim(replace(forgetting(version_of(store)), quota=quota))

    second = replace(claiming(other, wait=250), quota=quota, if_no_quota=other)
    stored = store.save_or_claim(second)

    assert not isinstance(stored, Conflict)
    assert not getattr(stored, "over_quota", False)


def test_what_is_only_to_be_forgotten_waits_for_whatever_is_to_be_sent(
    store: Store, clock: Clock
) -> None:
    stop = owing(Command.START, key=StreamKey("live.example.com", "app", "z"))
    store.save_or_claim(saving(idle()))
    store.save_or_claim(saving(stop))
    clock.pass_ms(DAY_MS)

    assert store.take_due(1, 2000) == [stop.key]
    assert store.take_due(1, 2000) == [KEY]


def test_lines_of_history_age_one_by_one(store: Store, clock: Clock) -> None:
    for day in range(40):
        entry = HistoryEntry(Reason.PUBLISHED, {"session": day})
        save = Save(version_of(store), idle(), entries=(entry,), keep_ms=10 * DAY_MS)
        store.save_or_claim(save)
        clock.pass_ms(DAY_MS)

    lines = store.history(KEY, 99)
    assert [line.entry.about["session"] for line in lines] == list(range(39, 28, -1))


def test_files_age_one_by_one_and_their_uris_with_them(store: Store, clock: Clock) -> None:
    store.save_or_claim(Save(0, idle(), files=(FILE,)))
    clock.pass_ms(20 * DAY_MS)
    store.save_or_claim(Save(version_of(store), idle(), files=(LATER_FILE, FILE)))
    assert store.files(KEY, 9) == [LATER_FILE, FILE]
    clock.pass_ms(11 * DAY_MS)

    store.save_or_claim(Save(version_of(store), idle(), files=(LATER_FILE,)))
    assert store.files(KEY, 9) == [LATER_FILE]
    store.save_or_claim(Save(version_of(store), idle(), files=(FILE,)))
    assert store.files(KEY, 9) == [LATER_FILE, FILE]


def test_in_redis_a_forgotten_stream_leaves_no_key_behind(
    engines: Callable[[str], str], clock: Clock
) -> None:
    stage = uuid4().hex
    url = engines("valkey")
    store = open_store(f"{url}?stage={stage}", rate=50, clock=clock)
    store.save_or_claim(
        Save(0, idle(), entries=(HistoryEntry(Reason.PUBLISHED),), files=(FILE, LATER_FILE))
    )
    store.save_or_claim(forgetting(version_of(store)))

    with closing(Redis.from_url(url, decode_responses=True)) as client:
        left = sorted(name.rpartition(":")[2] for name in client.scan_iter(f"*{stage}*"))
        assert left == ["counts"]
    store.close()


def test_in_sqlite_a_forgotten_stream_leaves_no_row_behind(tmp_path: Path, clock: Clock) -> None:
    store = open_store(f"sqlite:///{tmp_path}/records.db", rate=50, clock=clock)
    store.save_or_claim(Save(0, idle(), entries=(HistoryEntry(Reason.PUBLISHED),), files=(FILE,)))
    store.save_or_claim(forgetting(version_of(store)))

    with closing(sqlite3.connect(tmp_path / "records.db")) as db:
        for table in ("record", "history", "file"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608 - names of our own
    store.close()

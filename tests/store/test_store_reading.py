"""The contract of what is read: lists, files, history; and one SQLite file under two processes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shared.inbound.catalogue import text as in_words
from shared.protocol import Command, Phase, Reported, StreamKey
from shared.protocol.file import File
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.confirmation import ConfirmationState as State
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.recording import StreamRecord
from shared.store import Store, open_store
from shared.store.codec import entry_from_json, from_json, to_json
from shared.store.contract import Conflict, Filter, Save
from shared.store.store_errors import Unreadable
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, saving, version_of
from tests.support.stream_story import recording

FIRST = File("record/1.mp4", NOON, NOON + 60_000)
SECOND = File("record/2.mp4", NOON + 60_000, NOON + 90_000, 29_403)
TIES = (("callback_id", "a b&c=d 用"), ("callback_t", "-"))
TIED = File(FIRST.uri, FIRST.start, FIRST.stop, push_args=TIES)
BARE = File("record/0.mp4", None, None)


def key(name: str, app: str = "app", domain: str = "live.example.com") -> StreamKey:
    return StreamKey(domain, app, name)


def wanted(one: StreamKey) -> StreamRecord:
    return StreamRecord(one, Intent(generation=1, wanted=True, reason=Reason.ASKED_START))


def names(
    store: Store, *, after: StreamKey | None = None, limit: int = 10, **by: object
) -> list[str]:
    found = store.listed(Filter(**by), after=after, limit=limit)  # type: ignore[arg-type] # a table
    return [record.key.stream for record in found]


@pytest.fixture
def stocked(store: Store) -> Store:
    for one in (key("c"), key("a"), key("b", "other"), key("d", domain="another.example.com")):
        store.save_or_claim(saving(wanted(one)))
    store.save_or_claim(saving(owing(Command.START, key=key("e"))))
    return store


def test_records_are_listed_in_the_order_of_their_keys(stocked: Store) -> None:
    assert names(stocked) == ["d", "a", "c", "e", "b"]
    assert names(stocked, limit=2) == ["d", "a"]
    assert names(stocked, after=key("a")) == ["c", "e", "b"]
    assert names(stocked, after=key("zz", "zz", "zz")) == []


def test_a_listed_record_is_whole(stocked: Store) -> None:
    assert stocked.listed(Filter(), after=key("c"), limit=1) == [owing(Command.START, key=key("e"))]


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ({"phase": Phase.QUEUED}, ["e"]),
        ({"phase": Phase.WAITING, "domain": "live.example.com"}, ["a", "c", "b"]),
        ({"phase": Phase.WAITING, "app": "app"}, ["d", "a", "c"]),
        ({"domain": "another.example.com"}, ["d"]),
        ({"app": "other"}, ["b"]),
        ({"phase": Phase.FAILED}, []),
    ],
)
def test_a_list_is_narrowed(stocked: Store, by: dict[str, Any], found: list[str]) -> None:
    assert names(stocked, **by) == found


def test_a_page_goes_on_behind_the_one_before_whatever_came_meanwhile(stocked: Store) -> None:
    stocked.save_or_claim(saving(wanted(key("aa"))))
    stocked.save_or_claim(saving(wanted(key("0"))))

    assert names(stocked, after=key("a"), limit=2, domain="live.example.com") == ["aa", "c"]


def test_phases_are_counted(stocked: Store) -> None:
    assert dict(stocked.phases()) == {Phase.WAITING: 4, Phase.QUEUED: 1}

    stocked.save_or_claim(saving(wanted(key("e")), version=version_of(stocked, key("e"))))
    assert {phase: n for phase, n in stocked.phases().items() if n} == {Phase.WAITING: 5}


def test_a_file_of_the_release_before_is_counted_once_and_then_by_whoever_writes(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    with closing(open_store(url, rate=45, clock=clock)) as store:
        for name in "abc":
            store.save_or_claim(saving(wanted(key(name))))
    with closing(sqlite3.connect(tmp_path / "records.db")) as db:
        for trigger in ("phase_counted", "phase_left", "phase_changed"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DROP TABLE phase_count")
    for _ in range(2):
        with closing(open_store(url, rate=45, clock=clock)) as store:
            assert dict(store.phases()) == {Phase.WAITING: 3}
    with closing(sqlite3.connect(tmp_path / "records.db")) as db:
        db.execute("DELETE FROM record WHERE stream='a'")
        db.execute("UPDATE record SET phase='idle' WHERE stream='b'")
        db.commit()
    with closing(open_store(url, rate=45, clock=clock)) as store:
        assert dict(store.phases()) == {Phase.WAITING: 1, Phase.IDLE: 1}


def test_a_file_is_kept_once_with_its_record_however_often_it_is_told(store: Store) -> None:
    record = wanted(KEY)
    store.save_or_claim(replace(saving(record), files=(SECOND,)))
    store.save_or_claim(replace(saving(record, version=version_of(store)), files=(FIRST, SECOND)))

    assert store.files(KEY, 10) == [SECOND, FIRST]
    assert store.files(KEY, 1) == [SECOND]
    assert store.files(key("another"), 10) == []


def test_a_file_that_is_reported_again_adds_no_line_of_history(store: Store) -> None:
    lines = (HistoryEntry(Reason.FILE, {"uri": FIRST.uri}), HistoryEntry(Reason.CONFIRMED_BY_FILE))
    store.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST,), entries=lines))
    more = replace(FIRST, duration=59_400)
    again = saving(wanted(KEY), version=version_of(store))
    store.save_or_claim(replace(again, files=(more,), entries=lines[:1]))
    other = key("another")
    store.save_or_claim(replace(saving(wanted(other)), files=(FIRST,), entries=lines[:1]))

    codes = [line.entry.code for line in store.history(KEY, 9)]
    assert codes == [Reason.CONFIRMED_BY_FILE, Reason.FILE]
    assert [line.entry.code for line in store.history(other, 9)] == [Reason.FILE]
    assert store.files(KEY, 9) == [more]


def test_a_uri_that_is_told_of_two_streams_is_kept_for_both(store: Store) -> None:
    """What was reported first, of another stream, hides no file and lends it no time."""
    forged, other = replace(FIRST, start=1, stop=2), key("another")
    store.save_or_claim(replace(saving(wanted(other)), files=(forged,)))
    store.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST,)))
    longer = replace(FIRST, stop=NOON + 70_000)
    store.save_or_claim(replace(saving(wanted(KEY), version=version_of(store)), files=(longer,)))

    assert store.files(KEY, 10) == [longer]
    assert store.files(other, 10) == [forged]


def test_each_of_two_streams_drops_its_own_file_of_one_uri(store: Store, clock: Clock) -> None:
    other = key("another")
    store.save_or_claim(replace(saving(wanted(other)), files=(FIRST,)))
    clock.pass_ms(20 * 86_400_000)
    store.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST,)))
    clock.pass_ms(11 * 86_400_000)
    again = saving(wanted(other), version=version_of(store, other))
    store.save_or_claim(replace(again, files=(SECOND,)))
    assert store.files(KEY, 10) == [FIRST]
    store.save_or_claim(Save(version_of(store, other), StreamRecord(other)))
    store.save_or_claim(replace(saving(wanted(KEY), version=version_of(store)), files=(FIRST,)))

    assert (store.files(KEY, 10), store.files(other, 10)) == ([FIRST], [])


@pytest.mark.parametrize(
    ("reports", "known"),
    [
        ([FIRST, replace(FIRST, stop=NOON + 61_000)], replace(FIRST, stop=NOON + 61_000)),
        ([FIRST, replace(BARE, uri=FIRST.uri)], FIRST),
        ([replace(BARE, uri=FIRST.uri), FIRST], FIRST),
        ([replace(FIRST, duration=5), FIRST], replace(FIRST, duration=5)),
        ([replace(SECOND, stop=None), replace(SECOND, start=None)], SECOND),
        ([TIED, FIRST], TIED),
        ([FIRST, TIED], TIED),
        ([TIED, replace(FIRST, push_args=(("callback_id", "2"),))],
         replace(FIRST, push_args=(("callback_id", "2"),))),
        ([BARE, BARE], BARE),
        ([BARE, replace(BARE, duration=7)], replace(BARE, duration=7)),
    ],
)  # fmt: skip
def test_of_a_file_the_last_report_holds_where_it_says_more(
    store: Store, reports: Sequence[File], known: File
) -> None:
    for report in reports:
        save = saving(wanted(KEY), version=version_of(store))
        store.save_or_claim(replace(save, files=(report,)))

    assert store.files(KEY, 10) == [known]


def test_a_file_without_times_stands_where_it_was_reported(store: Store, clock: Clock) -> None:
    clock.pass_ms(70_000)
    store.save_or_claim(replace(saving(wanted(KEY)), files=(SECOND, BARE, FIRST)))
    began = File("record/3.mp4", NOON + 80_000, None)
    store.save_or_claim(replace(saving(wanted(KEY), version=version_of(store)), files=(began,)))

    assert store.files(KEY, 10) == [SECOND, began, BARE, FIRST]


def test_a_file_without_times_moves_once_they_are_known(store: Store, clock: Clock) -> None:
    clock.pass_ms(70_000)
    told_again = replace(BARE, start=NOON - 1)
    store.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST, BARE)))
    store.save_or_claim(
        replace(saving(wanted(KEY), version=version_of(store)), files=(told_again,))
    )

    assert store.files(KEY, 10) == [FIRST, told_again]


def test_a_conflict_keeps_no_file(store: Store) -> None:
    store.save_or_claim(saving(wanted(KEY)))

    assert store.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST,))) == Conflict()
    assert store.files(KEY, 10) == []


def test_history_keeps_the_newest_thousand_lines_of_a_stream(store: Store, clock: Clock) -> None:
    other = key("another")
    store.save_or_claim(replace(saving(wanted(other)), entries=(HistoryEntry(Reason.PUBLISHED),)))
    entries = tuple(HistoryEntry(Reason.PUBLISHED, {"session": n}) for n in range(1005))
    store.save_or_claim(Save(version=0, if_no_slot=wanted(KEY), entries=entries))
    kept = store.history(KEY, 2000)

    assert len(kept) == 1000
    assert kept[0].entry.about == {"session": 1004}
    assert len(store.history(other, 10)) == 1


def test_a_reason_from_a_later_release_is_kept_and_written_back() -> None:
    entry = entry_from_json("later", '{"n":1}')
    assert (entry.code.value, entry.about) == ("later", {"n": 1})
    assert (
        in_words(entry)
        == "a later release wrote this entry, and this release does not know its code: later"
    )
    text = to_json(wanted(KEY)).replace("asked_start", "later")

    record = from_json(KEY, text)
    assert record.intent.reason.value == "later"
    assert to_json(record) == text


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, State.UNCONFIRMED),
        ({"repeated": True}, State.UNCONFIRMED),
        ({"check_at": NOON}, State.AWAITING_REPORT),
        ({"check_at": NOON, "polled": True}, State.AWAITING_REPORT),
        ({"source": "on_demand", "check_at": NOON}, State.APPROVED),
        ({"source": "adopted", "check_at": NOON}, State.MAY_BE_PAUSED),
        ({"source": "adopted", "check_at": NOON, "repeated": True}, State.WAITING_OUT_PAUSE),
        (
            {"source": "adopted", "check_at": NOON, "repeated": True, "confirmed": True},
            State.CONFIRMED_UNDATED,
        ),
        ({"source": "adopted", "confirmed": True}, State.CONFIRMED),
    ],
)
def test_a_confirmation_of_release_0_2_is_read_in_the_state_it_was_in(
    fields: dict[str, object], state: State
) -> None:
    confirmation = {"session": 1, "at": NOON, "source": "accepted", "since": NOON} | fields
    document = json.loads(to_json(wanted(KEY)))
    document["record"]["confirmation"] = confirmation
    record = from_json(KEY, json.dumps(document))

    assert record.confirmation is not None
    assert record.confirmation.state is state
    assert from_json(KEY, to_json(record)) == record


def test_release_0_2_reads_whether_a_start_is_confirmed() -> None:
    story = recording().happens(Reported("record_started", recording=True))
    confirmation = json.loads(to_json(story.record))["record"]["confirmation"]

    assert confirmation["confirmed"] is True
    assert set(confirmation) <= {
        *("session", "at", "source", "state", "since", "sent_at", "begun_at", "confirmed")
    }


def test_a_requester_from_a_later_release_is_kept_and_written_back() -> None:
    by_person = Intent(generation=1, wanted=True, requester=Requester.PERSON)
    text = to_json(StreamRecord(KEY, by_person)).replace('"person"', '"schedule"')

    assert to_json(from_json(KEY, text)) == text
    assert "schedule" in text


def test_a_record_in_a_later_format_is_refused_and_not_touched() -> None:
    text = to_json(wanted(KEY)).replace('"format":1', '"format":2')

    with pytest.raises(Unreadable, match="format 2"):
        from_json(KEY, text)


def test_a_later_format_is_told_also_where_it_makes_no_sense_to_this_release() -> None:
    with pytest.raises(Unreadable):
        from_json(KEY, '{"format":2,"record":{"session":{"state":"resting"}}}')


WRITER = """
import sys
from shared.store.contract import Conflict
from tests.conftest import NOON, KEY, saving
from tests.store.test_store_reading import wanted
from shared.protocol.reason import HistoryEntry, Reason
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from msgspec.structs import replace
from shared.store import open_store
store = open_store(sys.argv[1], rate=50, clock=lambda: NOON)
for n in range(100):
    saved = Conflict()
    while isinstance(saved, Conflict):
        version = store.load(KEY).version
        entry = HistoryEntry(Reason.PUBLISHED, {"session": n, "who": sys.argv[2]})
        saved = store.save_or_claim(replace(saving(wanted(KEY), version=version), entries=(entry,)))
store.close()
"""


@pytest.mark.slow
def test_two_processes_write_one_sqlite_file_and_nothing_is_lost(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, who], stderr=subprocess.PIPE)
        for who in ("one", "two")
    ]
    said = [writer.communicate(timeout=60)[1] for writer in writers]
    store = open_store(url, rate=50, clock=clock)

    assert [writer.returncode for writer in writers] == [0, 0], said
    assert sum(line.count for line in store.history(KEY, 1000)) == 200
    store.close()


KILLED = """
import sys
from shared.store import open_store
from tests.conftest import NOON, KEY, saving
from tests.store.test_store_reading import wanted
store = open_store(sys.argv[1], rate=50, clock=lambda: NOON)
version = 0
while True:
    version = store.save_or_claim(saving(wanted(KEY), version=version)).version
    print(version, flush=True)
"""


def test_what_a_killed_process_was_told_is_stored_is_there(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    output = [int(writer.stdout.readline()) for _ in range(200)][-1]
    writer.kill()
    output = max([output, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    writer.wait()
    writer.stdout.close()
    store = open_store(url, rate=50, clock=clock)

    assert output <= store.load(KEY).version <= output + 1
    store.close()


def test_another_client_sees_what_one_has_saved(another_store: OpenStore) -> None:
    one, two = another_store(), another_store()
    one.save_or_claim(replace(saving(wanted(KEY)), files=(FIRST,)))

    assert names(two) == ["room1"]
    assert two.files(KEY, 10) == [FIRST]


def test_an_engine_says_how_safely_it_keeps_things(store: Store) -> None:
    answer = store.durability()

    if answer.engine == "memory":
        assert answer.settings == {}
    elif answer.engine == "sqlite":
        assert answer.settings == {"journal_mode": "wal", "synchronous": "1"}
    else:
        assert answer.settings["role"] == "master"
        assert answer.settings["maxmemory_policy"] == "noeviction"
        assert (answer.settings["aof_enabled"], answer.settings["appendfsync"]) == ("0", "everysec")


BEFORE = """
CREATE TABLE file (
    domain TEXT NOT NULL, uri TEXT NOT NULL, app TEXT NOT NULL, stream TEXT NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (domain, uri)) WITHOUT ROWID;
"""
KEPT_BEFORE = "INSERT INTO file (domain, uri, app, stream, start, stop) VALUES (?,?,?,?,?,?)"


def test_processes_that_open_a_new_sqlite_file_at_once_all_get_it(
    tmp_path: Path, clock: Clock
) -> None:
    for number in range(40):
        url = f"sqlite:///{tmp_path / str(number)}.db"
        stores = [open_store(url, rate=50, clock=clock) for _ in "abcd"]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda each: len(each.files(KEY, 9)), stores))
        assert found == [0] * 4


def test_a_release_that_knows_no_duration_keeps_files_in_one_sqlite_file_with_ours(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as before:
        before.executescript(BEFORE)
        before.execute(KEPT_BEFORE, (KEY.domain, "a.mp4", KEY.app, KEY.stream, 1, 2))
        stores = [open_store(f"sqlite:///{path}", rate=50, clock=clock) for _ in "ab"]
        with ThreadPoolExecutor(2) as both:
            assert list(both.map(lambda each: len(each.files(KEY, 9)), stores)) == [1, 1]
        stores[0].save_or_claim(replace(saving(wanted(KEY)), files=(SECOND,)))
        before.execute(KEPT_BEFORE, (KEY.domain, "b.mp4", KEY.app, KEY.stream, 3, 4))
        before.execute(KEPT_BEFORE, (KEY.domain, "c.mp4", KEY.app, KEY.stream, 0, 1))

        assert stores[1].files(KEY, 9) == [
            SECOND,
            File("b.mp4", 3, 4),
            File("a.mp4", 1, 2),
            File("c.mp4", None, 1),
        ]
    for store in stores:
        store.close()

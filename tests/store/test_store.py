"""One contract for every engine: what a store promises, seen by two writers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from shared.errors import Misconfigured
from shared.protocol import Command, StreamKey
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.rules.claim import claim
from shared.protocol.state.command import Answer, Doubt, Flight
from shared.protocol.state.confirmation import (
    Confirmation,
    ConfirmationState,
    LastReport,
    SessionFailure,
    StartSource,
)
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session, SessionState
from shared.store import Store, open_store
from shared.store.codec import from_json, to_json
from shared.store.contract import Claimed, Conflict, Save, Stored
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, saved_version, saving, version_of
from tests.support.set_back_store import copied

OTHER = StreamKey("live.example.com", "app", "room2")
FULL = StreamRecord(
    KEY,
    Intent(
        generation=7,
        wanted=True,
        requester=Requester.PERSON,
        reason=Reason.ASKED_START,
        until=NOON,
        session=2,
    ),
    flight=Flight("f1", Command.STOP, Reason.REASSERT, 7, 2, NOON, 3, NOON, NOON + 8000),
    doubts=(Doubt(Command.START, NOON), Doubt(Command.STOP, NOON + 1)),
    session=Session(2, NOON, time=NOON, state=SessionState.ENDING, off_since=NOON),
    confirmation=Confirmation(
        2, NOON, StartSource.ADOPTED, ConfirmationState.MAY_BE_PAUSED, check_at=NOON
    ),
    failure=SessionFailure(1, Reason.NO_RECORD_CONFIG, "CodeConfigNotFound", NOON),
    last_report=LastReport(recording=True, what="record_started", at=NOON),
    answer=Answer(Command.START, Reason.ACCEPTED, "OK", "R-1", NOON),
)


def claiming(record: StreamRecord, *, version: int = 0, wait: int = 0, lease: int = 8000) -> Save:
    flying = claim(record, f"flight-{version}", NOON * 2)
    return Save(
        version=version, if_no_slot=record, if_slot=flying, slot_wait_ms=wait, lease_ms=lease
    )


def test_a_stream_never_heard_of_has_an_empty_record(store: Store) -> None:
    loaded = store.load(KEY)

    assert loaded.record == StreamRecord(KEY)
    assert loaded.version == 0


def test_what_is_saved_is_loaded_whole(store: Store) -> None:
    store.save_or_claim(saving(FULL))

    assert store.load(KEY).record == FULL


def test_loading_tells_the_time_of_the_store(store: Store, clock: Clock) -> None:
    clock.pass_ms(1234)

    assert store.load(KEY).now == NOON + 1234


def test_the_second_of_two_writers_is_told_and_changes_nothing(another_store: OpenStore) -> None:
    one, two = another_store(), another_store()
    first, second = owing(Command.START), owing(Command.STOP)

    assert one.save_or_claim(saving(first)) == Stored(version_of(one))
    assert two.save_or_claim(saving(second)) == Conflict()
    assert two.load(KEY).record == first


def test_a_conflict_writes_no_history_and_takes_no_slot(store: Store) -> None:
    store.save_or_claim(saving(owing(Command.START)))
    lost = replace(claiming(owing(Command.START)), entries=(HistoryEntry(Reason.PUBLISHED),))

    assert store.save_or_claim(lost) == Conflict()
    assert store.history(KEY, 10) == []
    again = claiming(owing(Command.START), version=version_of(store))
    assert isinstance(store.save_or_claim(again), Claimed)


def test_each_write_raises_the_version(store: Store, clock: Clock) -> None:
    versions = [0]
    for ms in (0, 0, 1, 60_000, -60_000, 0):
        clock.pass_ms(ms)
        versions.append(saved_version(store, saving(owing(Command.START), version=versions[-1])))

    assert all(before < after for before, after in pairwise(versions))


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_no_write_gets_the_version_of_a_lost_one(
    another_store: OpenStore, clock: Clock, writes: int
) -> None:
    """A fail-over to a replica loses the last writes. A writer may still hold the version of one:
    its next save must be a conflict, or it would overwrite what it has not read."""
    one, two = another_store(), another_store()
    for _ in range(writes):
        one.save_or_claim(saving(owing(Command.STOP), version=version_of(one)))
    before, set_back = version_of(one), copied(one)
    clock.pass_ms(1)
    lost = saved_version(one, saving(owing(Command.STOP), version=before))
    set_back()
    assert version_of(one) == before
    clock.pass_ms(1_000)

    assert saved_version(two, saving(owing(Command.START), version=before)) != lost
    assert one.save_or_claim(saving(owing(Command.STOP), version=lost)) == Conflict()
    assert one.load(KEY).record == owing(Command.START)


def test_no_new_stream_gets_the_version_of_a_lost_one(
    another_store: OpenStore, clock: Clock
) -> None:
    """Also if the deletion of the stream is lost."""
    one, two = another_store(), another_store()
    first = saved_version(one, saving(owing(Command.START)))
    set_back = copied(one)
    clock.pass_ms(1)
    one.save_or_claim(saving(StreamRecord(KEY), version=first))
    lost = saved_version(one, saving(owing(Command.STOP)))
    set_back()
    clock.pass_ms(1_000)

    two.save_or_claim(saving(StreamRecord(KEY), version=first))
    assert saved_version(two, saving(owing(Command.START))) != lost
    assert one.save_or_claim(saving(owing(Command.STOP), version=lost)) == Conflict()


def test_a_claim_gets_the_free_slot_and_a_lease_that_counts_from_it(store: Store) -> None:
    saved = store.save_or_claim(claiming(owing(Command.START), lease=8000))

    assert isinstance(saved, Claimed)
    assert saved.slot_in == 0
    assert saved.record.flight is not None
    assert (saved.record.flight.sent_at, saved.record.flight.lease_until) == (NOON, NOON + 8000)
    assert store.load(KEY).record == saved.record


def test_without_a_free_slot_the_command_is_queued(store: Store) -> None:
    store.save_or_claim(claiming(owing(Command.START)))
    waiting = owing(Command.START, key=OTHER)

    saved = store.save_or_claim(claiming(waiting))
    assert isinstance(saved, Stored)
    assert (saved.version, saved.over_quota) == (version_of(store, OTHER), False)
    assert store.load(OTHER).record == waiting


def test_a_claim_may_wait_for_its_slot(store: Store) -> None:
    store.save_or_claim(claiming(owing(Command.START)))
    saved = store.save_or_claim(claiming(owing(Command.START, key=OTHER), wait=250))

    assert isinstance(saved, Claimed)
    assert saved.slot_in == pytest.approx(20)


def test_a_refused_reservation_burns_no_slot(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming(owing(Command.START)))
    for _ in range(5):
        store.save_or_claim(claiming(owing(Command.START, key=OTHER), version=99))
    clock.pass_ms(20)

    assert isinstance(store.save_or_claim(claiming(owing(Command.START, key=OTHER))), Claimed)


@pytest.mark.parametrize("seed", range(3))
def test_no_two_slots_are_closer_than_the_rate_whoever_asks_and_whenever(
    another_store: OpenStore, clock: Clock, seed: int
) -> None:
    """So that in any T seconds at most rate * T + 1 are given."""
    pick = Random(seed)  # noqa: S311 - nothing secret
    stores, slots = [another_store(), another_store()], list[float]()
    for number in range(150):
        clock.pass_ms(pick.choice((0, 0, 1, 7, 30)))
        key = StreamKey("live.example.com", "app", f"room{number}")
        save = claiming(owing(Command.START, key=key), wait=pick.choice((0, 250)))
        saved = pick.choice(stores).save_or_claim(save)
        slots += [clock.now + saved.slot_in] if isinstance(saved, Claimed) else []

    assert len(slots) > 20
    assert all(after - before > 19.99 for before, after in pairwise(slots))


CLAIMS = """
import sys, time
from shared.protocol import Command, StreamKey
from shared.store.contract import Claimed
from shared.store import open_store
from tests.conftest import owing
from tests.store.test_store import claiming
wall = lambda: time.time_ns() // 1_000_000
store = open_store(sys.argv[1], rate=100, clock=wall, ahead=lambda: 0)
for number in range(100):
    key = StreamKey("live.example.com", "app", sys.argv[2] + str(number))
    version, saved = 0, None
    while not isinstance(saved, Claimed):
        save = claiming(owing(Command.START, key=key), version=version, wait=50)
        saved = store.save_or_claim(save)
        version = saved.version
    print(saved.record.flight.sent_at, flush=True)
"""


@pytest.mark.slow
def test_two_processes_share_one_pace(store_url: str) -> None:
    """On real time, and the engine's own clock."""
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, store_url, who], stdout=subprocess.PIPE, text=True
        )
        for who in ("one", "two")
    ]
    slots = sorted(int(at) for one in asking for at in one.communicate(timeout=60)[0].split())

    assert len(slots) == 200
    assert all(after - before >= 9 for before, after in pairwise(slots))  # each is rounded


def test_what_is_due_is_listed_stops_first_then_by_age(store: Store, clock: Clock) -> None:
    def put(name: str, command: Command, since: int) -> None:
        key = StreamKey("live.example.com", "app", name)
        store.save_or_claim(saving(owing(command, key=key, since=since)))

    put("young start", Command.START, NOON + 5)
    put("old start", Command.START, NOON)
    put("stop", Command.STOP, NOON + 9)
    store.save_or_claim(saving(owing(Command.START, key=OTHER, at=NOON + 60_000)))
    clock.pass_ms(10)

    assert [key.stream for key in store.take_due(10, 0)] == ["stop", "old start", "young start"]
    assert [key.stream for key in store.take_due(1, 0)] == ["stop"]


def test_a_record_is_due_when_its_flight_s_lease_ends(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming(owing(Command.START), lease=8000))

    assert store.take_due(10, 0) == []
    assert store.next_due() == 8000
    clock.pass_ms(8000)
    assert store.take_due(10, 0) == [KEY]


def test_the_queue_tells_its_depth_and_its_oldest(store: Store, clock: Clock) -> None:
    assert store.queue().depth == 0
    store.save_or_claim(saving(owing(Command.START)))
    clock.pass_ms(700)

    assert (store.queue().depth, store.queue().oldest) == (1, 700)


def test_history_is_newest_first_and_counts_repeats(store: Store, clock: Clock) -> None:
    twice = HistoryEntry(Reason.PUBLISHED_TWICE)
    record = owing(Command.START)
    store.save_or_claim(
        replace(saving(record), entries=(HistoryEntry(Reason.PUBLISHED, {"session": 1}),))
    )
    for _ in range(3):
        clock.pass_ms(1000)
        again = saving(record, version=version_of(store))
        store.save_or_claim(replace(again, entries=(twice,)))
    newest, oldest = store.history(KEY, 10)

    assert (newest.entry, newest.count) == (twice, 3)
    assert (newest.at, newest.last_at) == (NOON + 1000, NOON + 3000)
    assert oldest.entry.about == {"session": 1}


def test_a_mark_tells_how_long_ago_it_was_made(store: Store, clock: Clock) -> None:
    assert store.age_ms("reconciled") is None
    store.touch("reconciled")
    clock.pass_ms(3000)

    assert store.age_ms("reconciled") == 3000


def test_all_marks_are_told_at_once(store: Store, clock: Clock) -> None:
    assert store.ages() == {}
    store.touch("reconciled")
    clock.pass_ms(3000)
    assert store.try_write("health")

    assert store.ages() == {"reconciled": 3000, "health": 0}


def test_a_field_from_a_later_release_is_passed_over() -> None:
    later = {**json.loads(to_json(FULL)), "later": 1}

    assert from_json(KEY, json.dumps(later)) == FULL


def test_a_store_that_cannot_be_opened_says_which(clock: Clock) -> None:
    store = open_store("sqlite:////nowhere/at/all.db", rate=50, clock=clock)

    with pytest.raises(StoreUnavailable, match="nowhere/at/all"):
        store.load(KEY)


@pytest.mark.parametrize("url", ["", "records.db", "sqlite:///", "mysql://db"])
def test_a_url_of_no_engine_is_refused(url: str, clock: Clock) -> None:
    with pytest.raises(Misconfigured, match="LIVE_RECORD_STORE"):
        open_store(url, rate=50, clock=clock)


KILLED_WRITER = """
import os, sys
from shared.store import open_store
from tests.conftest import owing, saving, KEY
from shared.protocol import Command
store = open_store("sqlite:///" + sys.argv[1], rate=50, clock=lambda: 0)
with store._writing() as db:
    db.execute("INSERT INTO timestamp VALUES ('half done', 1)")
    os.kill(os.getpid(), 9)
"""


def test_a_writer_killed_in_the_middle_leaves_nothing_behind(clock: Clock, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/records.db", rate=50, clock=clock)
    version = saved_version(store, saving(owing(Command.START)))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, f"{tmp_path}/records.db"], check=False
    )

    assert killed.returncode == -9
    assert store.age_ms("half done") is None
    again = saving(owing(Command.STOP), version=version)
    assert store.save_or_claim(again) == Stored(version_of(store))
    store.close()


WITHOUT_REDIS = """
import sys, time
import index
from shared.store import open_store
index.initialize(None)
open_store(sys.argv[1], rate=50, clock=lambda: 0).now()
print("redis" in sys.modules)
"""


def test_the_redis_client_is_imported_only_where_the_store_is_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    said = subprocess.check_output(
        [sys.executable, "-c", WITHOUT_REDIS, url],
        env={**os.environ, "LIVE_RECORD_STORE": url},
        text=True,
    )

    assert said.split() == ["False"]

"""Durable tasks in the store: stored with a save, taken once, settled by who took them, kept."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest
from msgspec.structs import replace
from redis import Redis

from shared.outbox.backoff import BACKOFF, LONGEST_WAIT_MS
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    OF_STAGE,
    OUTBOX_MAX_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
    TaskKind,
)
from shared.outbox.verify_file import verify_file
from shared.protocol import Command, StreamKey, StreamRecord
from shared.protocol.file import File, FileVerdict, Finding
from shared.protocol.quota import ConcurrencyQuota
from shared.store import Store, open_store
from shared.store.contract import DAY_MS, Conflict, NotForgotten, Placed, Save, Stored
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, version_of
from tests.store.test_store import claiming
from tests.support.settling import settle

KIND = TaskKind.VERIFY_FILE.value
LEASE_MS = BACKOFF[TaskKind.VERIFY_FILE].lease_ms
OTHER = replace(KEY, stream="other")
FILE = File("record/1.mp4", NOON, NOON + 60_000)
DONE = Settlement(Next.DONE)
RETRY = Settlement(Next.RETRY, retry_in_ms=5_000, why="OSS does not answer")
DEAD = Settlement(Next.DEAD, why="OSS refuses")
VERDICT = FileVerdict("truncated", NOON, (Finding("ends_inside", {"at_byte": 9}),), 2_000, None)
BIG = "x" * 1_000_000


def new(name: str, body: str = "{}", of_file: str = "", receiver: str = "") -> NewTask:
    return NewTask(name, TaskKind.VERIFY_FILE, body, of_file, receiver)


def add(store: Store, *tasks: NewTask, key: StreamKey = KEY, files: tuple[File, ...] = ()) -> int:
    """Store tasks with a save of the stream; return how many were dropped."""
    version = store.load(key).version
    saved = store.save_or_claim(
        Save(version, StreamRecord(key, changed_at=version + 1), tasks=tasks, files=files)
    )
    assert isinstance(saved, Stored)
    return saved.dropped_tasks


def take(store: Store, limit: int = 9) -> list[Task]:
    return list(store.take_tasks(KIND, limit=limit, lease_ms=LEASE_MS))


def opened(store: Store) -> list[str]:
    return [one.task.id for one in store.open_tasks(after="", limit=99)]


def dead(store: Store) -> list[str]:
    return [one.task.id for one in store.dead_letters(after="", limit=99)]


def die(store: Store, *names: str) -> None:
    for name in names:
        add(store, new(name))
        (task,) = take(store)
        assert settle(store, task, DEAD)


# --- stored with a save, once -------------------------------------------------------------------


def test_a_task_is_stored_with_the_save_and_due_at_once(store: Store) -> None:
    add(store, new("a", '{"uri":"房间"}'))
    assert take(store) == [
        Task("a", KIND, KEY, '{"uri":"房间"}', NOON, NOON + LEASE_MS, 1, 2, sequence=1)
    ]


def test_a_save_that_is_refused_stores_no_task(store: Store) -> None:
    add(store)
    assert store.save_or_claim(Save(0, StreamRecord(KEY), tasks=(new("a"),))) == Conflict()
    assert opened(store) == []


def test_a_task_of_an_id_that_is_open_is_left_out(store: Store) -> None:
    add(store, new("a"), new("a"))
    add(store, new("a"))
    assert opened(store) == ["a"]
    assert store.outbox().open_bytes == new("a").size_bytes


def test_a_file_that_is_reported_again_makes_no_second_task(store: Store) -> None:
    tasks = verify_file(KEY, FILE.uri)
    add(store, *tasks, files=(FILE,))
    settle(store, take(store)[0], DONE)
    add(store, *tasks, files=(FILE,))
    assert opened(store) == []


def test_two_streams_that_report_one_name_have_a_task_each(store: Store) -> None:
    for key in (KEY, OTHER):
        add(store, *verify_file(key, FILE.uri), key=key, files=(FILE,))
    assert len(opened(store)) == 2


def test_what_follows_depends_on_what_the_engine_made_of_the_save(store: Store) -> None:
    """A start beyond the quota is another change than one that goes out."""
    quota = ConcurrencyQuota("rule", of_rule=1)
    for key in (KEY, OTHER):
        record = replace(owing(Command.START), key=key)
        save = replace(claiming(record, wait=250), quota=quota, if_no_quota=record)
        tasks, beyond = (new(f"{key.stream}-in"),), (new("beyond"),)
        store.save_or_claim(replace(save, tasks=tasks, tasks_over_quota=beyond))
    assert opened(store) == ["beyond", f"{KEY.stream}-in"]


def test_each_task_has_a_sequence_that_rises_over_all_streams(store: Store) -> None:
    add(store, new("a"))
    add(store, new("b"), new("c"), key=OTHER)
    store.add_tasks(OF_STAGE, (new("d"),))
    settled = replace(DONE, tasks=(new("e"),))
    first = next(task for task in take(store) if task.id == "a")
    settle(store, first, settled)
    found = {one.task.id: one.task.sequence for one in store.open_tasks(after="", limit=9)}
    assert found == {"b": 2, "c": 3, "d": 4, "e": 5}
    assert first.sequence == 1


def test_a_task_that_follows_is_stored_with_the_result_or_not_at_all(
    store: Store, clock: Clock
) -> None:
    add(store, new("a"))
    (stale,) = take(store)
    clock.pass_ms(LEASE_MS)
    (held,) = take(store)
    assert not settle(store, stale, replace(DONE, tasks=(new("stale"),)))
    assert settle(store, held, replace(DONE, tasks=(new("b"), new("c", receiver="ops"))))
    assert opened(store) == ["b", "c"]
    assert {one.task.stream for one in store.open_tasks(after="", limit=9)} == {KEY}


def test_a_task_of_no_stream_is_listed_and_taken_as_the_others_are(store: Store) -> None:
    assert store.add_tasks(OF_STAGE, (new("a"), new("a"))) == 0
    assert [task.stream for task in take(store)] == [OF_STAGE]
    big = tuple(new(f"n{number}", BIG) for number in range(9))
    assert store.add_tasks(OF_STAGE, big) == 2
    assert store.outbox().dropped == 2


def test_a_receiver_has_a_queue_of_its_own(store: Store, clock: Clock) -> None:
    add(store, new("a", receiver="ops"), new("b", receiver="crm"), new("c"))
    clock.pass_ms(70)
    assert store.outbox().oldest_ms == 70
    assert [task.id for task in take(store)] == ["c"]
    taken = store.take_tasks(f"{KIND}:ops", limit=9, lease_ms=LEASE_MS)
    assert [(task.id, task.kind, task.receiver) for task in taken] == [("a", KIND, "ops")]
    assert store.outbox().oldest_ms == 70


# --- taken once, settled by who took it ---------------------------------------------------------


def test_a_task_that_is_taken_is_handed_to_nobody_else_until_its_lease_ends(
    store: Store, clock: Clock
) -> None:
    add(store, new("a"))
    assert len(take(store)) == 1
    clock.pass_ms(LEASE_MS - 1)
    assert take(store) == []
    clock.pass_ms(1)
    assert [(task.attempts, task.version) for task in take(store)] == [(2, 3)]


def test_who_took_it_before_cannot_settle_it_any_more(store: Store, clock: Clock) -> None:
    add(store, new("a"))
    (stale,) = take(store)
    clock.pass_ms(LEASE_MS)
    (held,) = take(store)
    for settled in (DONE, RETRY, DEAD):
        assert not settle(store, stale, settled)
    assert (opened(store), dead(store)) == (["a"], [])
    assert settle(store, held, DONE)
    assert not settle(store, held, DONE)
    assert (opened(store), store.outbox()) == ([], OutboxState())


def test_many_are_settled_in_one_step_each_by_its_own_version(store: Store, clock: Clock) -> None:
    add(store, new("a"), new("b"), new("c"), new("d"))
    stale, *_ = take(store, 1)
    clock.pass_ms(LEASE_MS)
    held = {task.id: task for task in take(store)}
    done = replace(DONE, tasks=(new("e"), new("f")))
    settled = [(stale, DEAD), (held["b"], done), (held["c"], RETRY), (held["d"], DEAD)]
    assert list(store.settle_tasks(settled)) == [False, True, True, True]
    assert (opened(store), dead(store)) == (["a", "c", "e", "f"], ["d"])
    assert list(store.settle_tasks([(held["b"], DONE), (held["a"], DONE)])) == [False, True]
    assert opened(store) == ["c", "e", "f"]


def test_a_retry_is_due_after_its_pause(store: Store, clock: Clock) -> None:
    add(store, new("a"))
    assert settle(store, take(store)[0], RETRY)
    assert take(store) == []
    clock.pass_ms(RETRY.retry_in_ms)
    assert [(task.why, task.attempts) for task in take(store)] == [(RETRY.why, 2)]


def test_the_longest_due_go_first_and_no_more_than_were_asked_for(
    store: Store, clock: Clock
) -> None:
    for name in ("c", "a", "b"):
        add(store, new(name))
        clock.pass_ms(1)
    assert [task.id for task in take(store, 2)] == ["c", "a"]
    assert [task.id for task in take(store, 2)] == ["b"]


def test_many_runners_take_each_task_once(another_store: OpenStore) -> None:
    add(another_store(), *(new(f"{number:02d}") for number in range(40)))

    def take_all(store: Store) -> list[str]:
        return [task.id for _ in range(20) for task in take(store, 3)]

    with ThreadPoolExecutor(4) as pool:
        found = [
            one for ids in pool.map(take_all, [another_store() for _ in range(4)]) for one in ids
        ]
    assert sorted(found) == [f"{number:02d}" for number in range(40)]


def test_a_kind_that_nobody_takes_stops_no_other(store: Store) -> None:
    add(store, new("a"))
    assert store.take_tasks("of_a_later_release", limit=9, lease_ms=LEASE_MS) == []
    assert len(take(store)) == 1


@pytest.mark.parametrize("back_ms", [DAY_MS, 400 * DAY_MS])
def test_a_clock_that_was_set_back_holds_no_task_up(
    store: Store, clock: Clock, back_ms: int
) -> None:
    add(store, new("a"))
    clock.pass_ms(-back_ms)
    assert [task.due_at for task in take(store)] == [NOON - back_ms + LEASE_MS]


def test_a_task_is_put_no_further_ahead_than_counts_as_due() -> None:
    longest = max(max(each.most_ms, each.lease_ms) for each in BACKOFF.values())
    assert longest <= LONGEST_WAIT_MS < DAY_MS


# --- dead letters -------------------------------------------------------------------------------


def test_a_dead_letter_is_listed_and_tried_again_on_request(store: Store, clock: Clock) -> None:
    die(store, "a")
    clock.pass_ms(5)
    (placed,) = store.dead_letters(after="", limit=9)
    assert placed == Placed.dead(Task("a", KIND, KEY, "{}", NOON, NOON, 1, 2, DEAD.why, 1))
    assert (opened(store), take(store)) == ([], [])
    assert store.redrive("a") is Redriven.OPEN
    assert dead(store) == []
    assert [(task.attempts, task.version, task.why) for task in take(store)] == [(1, 4, "")]


def test_nobody_settles_a_letter_that_was_tried_again(store: Store) -> None:
    add(store, new("a"))
    (before,) = take(store)
    settle(store, before, DEAD)
    store.redrive("a")
    assert not settle(store, before, DONE)
    assert opened(store) == ["a"]


def test_a_letter_is_tried_again_once(store: Store) -> None:
    die(store, "a")
    assert [store.redrive("a"), store.redrive("a")] == [Redriven.OPEN, Redriven.UNKNOWN]
    assert store.outbox() == OutboxState(1, new("a").size_bytes)


def test_a_letter_whose_task_was_made_anew_just_goes(store: Store) -> None:
    die(store, "a")
    add(store, new("a"))
    assert store.redrive("a") is Redriven.OPEN
    assert (opened(store), dead(store)) == (["a"], [])
    assert store.outbox().open_bytes == new("a").size_bytes


def test_dead_letters_are_paged_by_age(store: Store, clock: Clock) -> None:
    for name in ("b", "a", "c"):
        die(store, name)
        clock.pass_ms(1)
    first = store.dead_letters(after="", limit=2)
    assert [one.task.id for one in first] == ["b", "a"]
    rest = store.dead_letters(after=first[-1].place, limit=2)
    assert [one.task.id for one in rest] == ["c"]


def test_open_tasks_are_paged_by_stream(store: Store) -> None:
    add(store, new("a"), key=OTHER)
    add(store, new("c"), new("b"))
    first = store.open_tasks(after="", limit=2)
    assert [one.task.id for one in first] == ["a", "b"]
    assert [one.task.id for one in store.open_tasks(after=first[-1].place, limit=2)] == ["c"]


def test_dead_letters_age(store: Store, clock: Clock) -> None:
    die(store, "a")
    clock.pass_ms(DAY_MS)
    die(store, "b")
    assert store.drop_dead_letters(2 * DAY_MS) == 0
    clock.pass_ms(1)
    assert store.drop_dead_letters(DAY_MS) == 1
    assert dead(store) == ["b"]
    assert store.outbox() == OutboxState(dead=1, dead_bytes=new("b").size_bytes)


# --- caps ---------------------------------------------------------------------------------------


def test_beyond_the_cap_a_new_task_is_dropped_and_counted(store: Store) -> None:
    fits = OUTBOX_MAX_BYTES // new("", BIG).size_bytes
    assert add(store, *(new(str(number), BIG) for number in range(fits + 2))) == 2
    state = store.outbox()
    assert (state.open, state.dropped) == (fits, 2)
    assert state.open_bytes == fits * new("", BIG).size_bytes
    settle(store, take(store, 1)[0], DONE)
    assert add(store, new("late", BIG)) == 0


def test_beyond_their_cap_the_oldest_dead_letters_are_dropped(store: Store, clock: Clock) -> None:
    fits = DEAD_MAX_BYTES // new("", BIG).size_bytes
    for number in range(fits + 2):
        add(store, new(str(number), BIG))
        settle(store, take(store)[0], DEAD)
        clock.pass_ms(1)
    assert dead(store) == [str(number) for number in range(2, fits + 2)]
    state = store.outbox()
    assert (state.dropped, state.dead_bytes) == (2, fits * new("", BIG).size_bytes)


def test_a_letter_is_not_tried_again_into_a_full_outbox(store: Store) -> None:
    add(store, new("a", BIG))
    settle(store, take(store)[0], DEAD)
    fits = OUTBOX_MAX_BYTES // new("", BIG).size_bytes
    add(store, *(new(f"n{number}", BIG) for number in range(fits)))
    assert store.redrive("a") is Redriven.FULL
    assert dead(store) == ["a"]


def test_it_is_known_how_long_the_first_has_been_due(store: Store, clock: Clock) -> None:
    add(store, new("a"))
    clock.pass_ms(70)
    add(store, new("b"))
    assert store.outbox().oldest_ms == 70
    take(store)
    assert store.outbox().oldest_ms == 0


# --- verdicts, and what keeps a stream ----------------------------------------------------------


def test_a_verdict_is_stored_beside_its_file_by_who_holds_the_task(
    store: Store, clock: Clock
) -> None:
    add(store, *verify_file(KEY, FILE.uri), files=(FILE,))
    (stale,) = take(store)
    clock.pass_ms(LEASE_MS)
    (held,) = take(store)
    judged = replace(DONE, uri=FILE.uri, verdict=VERDICT)
    settle(store, stale, replace(judged, verdict=replace(VERDICT, outcome="missing")))
    assert store.file(KEY, FILE.uri) == FILE
    settle(store, held, judged)
    assert store.file(KEY, FILE.uri) == replace(FILE, verdict=VERDICT)
    assert store.files(KEY, 9) == [replace(FILE, verdict=VERDICT)]


def test_a_verdict_is_of_one_streams_file_and_outlives_a_second_report(store: Store) -> None:
    for key in (KEY, OTHER):
        add(store, *verify_file(key, FILE.uri), key=key, files=(FILE,))
    mine = next(task for task in take(store) if task.stream == OTHER)
    settle(store, mine, replace(DONE, uri=FILE.uri, verdict=VERDICT))
    add(store, key=OTHER, files=(replace(FILE, duration=59_000),))
    assert store.file(KEY, FILE.uri) == FILE
    assert store.file(OTHER, FILE.uri) == replace(FILE, duration=59_000, verdict=VERDICT)


def test_a_verdict_on_a_file_that_is_gone_is_stored_nowhere(store: Store) -> None:
    add(store, *verify_file(KEY, FILE.uri))
    settle(store, take(store)[0], replace(DONE, uri=FILE.uri, verdict=VERDICT))
    add(store, files=(FILE,))
    assert store.file(KEY, FILE.uri) == FILE
    assert store.file(KEY, "record/none.mp4") is None


def test_a_stream_is_kept_while_a_task_of_it_is_open(store: Store) -> None:
    add(store, *verify_file(KEY, FILE.uri), files=(FILE,))
    version = version_of(store)
    forgetting = Save(version, StreamRecord(KEY))
    assert store.save_or_claim(forgetting) == NotForgotten()
    assert version_of(store) == version > 0
    settle(store, take(store)[0], replace(DONE, uri=FILE.uri, verdict=VERDICT))
    assert store.save_or_claim(forgetting) == Stored(0)
    add(store, files=(FILE,))
    assert store.files(KEY, 9) == [FILE]


def test_a_dead_letter_keeps_no_stream(store: Store) -> None:
    die(store, "a")
    assert store.save_or_claim(Save(version_of(store), StreamRecord(KEY))) == Stored(0)
    assert store.redrive("a") is Redriven.OPEN


def test_a_row_that_cannot_be_read_stops_no_other(
    engines: Callable[[str], str], clock: Clock
) -> None:
    url, stage = engines("valkey"), uuid4().hex
    store = open_store(f"{url}?stage={stage}", rate=50, clock=clock)
    die(store, "d")
    add(store, new("a"), new("b"), new("c"))
    prefix = f"live-record:{{{stage}}}:"
    with closing(Redis.from_url(url)) as client:
        client.hset(f"{prefix}tasks", "a", "{")
        client.hset(f"{prefix}dead_tasks", "d", "{}")
    assert [task.id for task in take(store)] == ["b", "c"]
    assert store.outbox().dropped == 1
    assert (dead(store), opened(store)) == ([], ["b", "c"])
    for task in store.open_tasks(after="", limit=9):
        assert settle(store, task.task, DONE)
    assert store.save_or_claim(Save(version_of(store), StreamRecord(KEY))) == Stored(0)
    store.close()

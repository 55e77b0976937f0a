"""Who goes next: the order of what is due, the lanes, places under caps, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from shared.protocol import Command, StreamKey
from shared.protocol.derived.due_times import counts_against_quota
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.rules.claim import claim
from shared.protocol.state.confirmation import Confirmation, LastReport, StartSource
from shared.protocol.state.intent import Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session
from shared.store import Store
from shared.store.contract import SIGNED_KEPT_S, Claimed, Save, Stored
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, saving, version_of


def room(name: str) -> StreamKey:
    return StreamKey("live.example.com", "app", name)


def put(store: Store, name: str, *, priority: int = 0, since: int = NOON) -> None:
    record = owing(Command.START, key=room(name), since=since)
    store.save_or_claim(replace(saving(record), quota=ConcurrencyQuota(priority=priority)))


def taken(store: Store, limit: int = 10, hold: int = 0) -> list[str]:
    return [key.stream for key in store.take_due(limit, hold)]


# --- the line -----------------------------------------------------------------------------------


def test_of_two_starts_the_more_urgent_goes_first_then_the_older(store: Store) -> None:
    put(store, "young", since=NOON)
    put(store, "old", since=NOON - 9)
    put(store, "urgent", priority=5, since=NOON)
    put(store, "patient", priority=-5, since=NOON - 99)

    assert taken(store) == ["urgent", "old", "young", "patient"]


def test_of_one_priority_a_stream_that_a_poll_has_shown_goes_first(store: Store) -> None:
    """What only callbacks have told of may be made up."""
    for name, publish_time in (("told", None), ("seen", NOON)):
        start = owing(Command.START, key=replace(KEY, stream=name))
        policy = replace(start.intent, requester=Requester.POLICY)
        session = Session(1, NOON, NOON, publish_time)
        store.save_or_claim(saving(replace(start, intent=policy, session=session)))

    assert [key.stream for key in store.take_due(2, 2000)] == ["seen", "told"]


def test_the_first_streams_of_a_signature_are_known_however_often_they_come(
    another_store: OpenStore,
) -> None:
    one, other = another_store(), another_store()
    named = [replace(KEY, stream=str(number)) for number in range(4)]
    first = [
        store.is_among_first(1_763_800_000, key, 3)
        for store, key in zip((one, other) * 2, named, strict=True)
    ]

    assert first == [True, True, True, False]
    assert [one.is_among_first(1_763_800_000, key, 3) for key in named] == first
    assert one.is_among_first(1_763_800_001, named[3], 3)
    assert one.is_among_first(1_763_800_002 + SIGNED_KEPT_S, KEY, 3)
    assert one.is_among_first(1_763_800_000, named[3], 3), "it is long over, and forgotten"


def test_what_one_has_taken_nobody_else_is_handed(another_store: OpenStore) -> None:
    one, two = another_store(), another_store()
    put(one, "first", since=NOON - 1)
    put(one, "second")

    assert taken(one, 1, hold=2000) == ["first"]
    assert taken(two, 5, hold=2000) == ["second"]
    assert taken(one, 5, hold=2000) == []


def test_what_was_taken_and_never_saved_comes_up_again(store: Store, clock: Clock) -> None:
    put(store, "room")
    taken(store, hold=2000)

    assert store.next_due() == 2000
    clock.pass_ms(2000)
    assert taken(store) == ["room"]


def test_a_save_ends_the_hold(store: Store) -> None:
    put(store, "room")
    taken(store, hold=2000)
    record = owing(Command.STOP, key=room("room"))
    store.save_or_claim(saving(record, version=version_of(store, record.key)))

    assert taken(store) == ["room"]


def test_what_is_due_now_comes_in_order_also_when_it_was_due_later(
    store: Store, clock: Clock
) -> None:
    put(store, "start")
    late = owing(Command.STOP, key=room("stop"), at=NOON + 500)
    store.save_or_claim(saving(late))
    assert taken(store) == ["start"]
    clock.pass_ms(500)

    assert taken(store) == ["stop", "start"]


def test_many_senders_at_once_share_the_line_out(another_store: OpenStore) -> None:
    stores = [another_store() for _ in range(4)]
    names = [f"room{number:03d}" for number in range(120)]
    for name in names:
        put(stores[0], name)
    with ThreadPoolExecutor(4) as pool:
        shares = list(
            pool.map(lambda one: [name for _ in range(30) for name in taken(one, 1, 9000)], stores)
        )

    assert sorted(name for share in shares for name in share) == names


# --- the lanes ----------------------------------------------------------------------------------


ANYWHERE = ConcurrencyQuota()


def claiming(
    name: str, *, wait: int = 0, quota: ConcurrencyQuota = ANYWHERE, version: int = 0
) -> Save:
    record = owing(Command.START, key=room(name))
    waiting = replace(record, pending=record.pending and replace(record.pending, over_quota=True))
    return Save(
        version=version,
        if_no_slot=record,
        if_slot=claim(record, f"flight-{name}-{version}", NOON * 2),
        slot_wait_ms=wait,
        lease_ms=8000,
        quota=quota,
        if_no_quota=waiting if quota.is_limited else None,
    )


def test_a_refused_claim_says_how_far_the_lane_is_booked(store: Store) -> None:
    store.save_or_claim(claiming("one"))
    refused = store.save_or_claim(claiming("two"))

    assert isinstance(refused, Stored)
    assert refused.next_slot_in_ms == pytest.approx(20)


def test_a_slowed_lane_gives_no_slot_for_that_long(store: Store, clock: Clock) -> None:
    store.pause_slots(200)
    store.pause_slots(100)
    assert isinstance(store.save_or_claim(claiming("one")), Stored)
    clock.pass_ms(200)

    again = claiming("one", version=version_of(store, room("one")))
    assert isinstance(store.save_or_claim(again), Claimed)


def test_looks_have_a_lane_of_their_own(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one"))

    assert store.poll_slot(0) == 0
    assert store.poll_slot(0) is None
    assert store.poll_slot(100) == pytest.approx(20)
    clock.pass_ms(40)
    assert store.poll_slot(0) == 0


def test_the_use_of_the_lane_is_told_over_the_last_minute(store: Store, clock: Clock) -> None:
    clock.now -= clock.now % 60_000
    for number in range(30):
        store.save_or_claim(claiming(f"room{number}", wait=600))

    assert store.rate_limit_use().rate == 50
    assert store.rate_limit_use().used == pytest.approx(0.5)
    assert store.rate_limit_use().ahead == pytest.approx(600)
    clock.pass_ms(90_000)
    assert store.rate_limit_use().used == pytest.approx(0.25)
    clock.pass_ms(60_000)
    assert store.rate_limit_use().used == 0


def test_who_is_at_work_is_known_until_it_leaves_or_falls_silent(
    store: Store, clock: Clock
) -> None:
    assert store.register("reconcile", "a", 2000) == 0
    assert store.register("reconcile", "b", 2000) == 1
    store.deregister("reconcile", "a")
    assert store.register("reconcile", "b", 2000) == 0
    clock.pass_ms(2000)
    assert store.register("reconcile", "c", 2000) == 0


def test_nobody_more_is_called_while_one_keeps_the_lane_full(store: Store, clock: Clock) -> None:
    store.register("reconcile", "a", 3000)
    store.pause_slots(100)
    assert not store.may_wake_one("reconcile", 2, 1000)
    clock.pass_ms(100)

    assert store.may_wake_one("reconcile", 2, 1000)


def test_one_more_is_called_once_a_second_until_enough_are_at_work(
    store: Store, clock: Clock
) -> None:
    assert store.may_wake_one("reconcile", 2, 1000)
    assert not store.may_wake_one("reconcile", 2, 1000)
    store.register("reconcile", "a", 3000)
    clock.pass_ms(1000)
    assert store.may_wake_one("reconcile", 2, 1000)
    store.register("reconcile", "b", 3000)
    clock.pass_ms(1000)
    assert not store.may_wake_one("reconcile", 2, 1000)
    clock.pass_ms(2000)
    assert store.may_wake_one("reconcile", 2, 1000)


# --- the places ---------------------------------------------------------------------------------

ONE = ConcurrencyQuota("classes", of_rule=1)


def ended(name: str, version: int, quota: ConcurrencyQuota) -> Save:
    """Whatever held the place is over."""
    return replace(saving(StreamRecord(room(name)), version=version), quota=quota)


def at(store: Store, name: str) -> str:
    loaded = store.load(room(name)).record
    return (
        "flies"
        if loaded.flight
        else "full"
        if loaded.pending and loaded.pending.over_quota
        else "queued"
    )


def test_beyond_the_cap_a_start_waits_and_says_so(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(20)

    saved = store.save_or_claim(claiming("two", quota=ONE))
    assert saved == Stored(version_of(store, room("two")), over_quota=True)
    assert (at(store, "one"), at(store, "two")) == ("flies", "full")
    assert [line.entry.code.value for line in store.history(room("two"), 9)] == ["no_quota"]


def test_a_start_that_waits_for_a_place_takes_no_slot_and_is_not_due(
    store: Store, clock: Clock
) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(20)
    store.save_or_claim(claiming("two", quota=ONE))

    assert taken(store) == []
    assert isinstance(store.save_or_claim(claiming("free")), Claimed)


def test_a_place_that_frees_up_goes_to_the_most_urgent(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(100)
    for name, priority in (("early", 0), ("urgent", 5), ("late", 0)):
        store.save_or_claim(claiming(name, quota=replace(ONE, priority=priority)))
    store.save_or_claim(ended("one", version_of(store, room("one")), ONE))

    assert taken(store, hold=2000) == ["urgent"]
    late = claiming("late", quota=ONE, version=version_of(store, room("late")))
    assert store.save_or_claim(late) == Stored(version_of(store, room("late")), over_quota=True)
    version = version_of(store, room("urgent"))
    urgent = claiming("urgent", quota=replace(ONE, priority=5), version=version)
    assert isinstance(store.save_or_claim(urgent), Claimed)


def test_who_has_a_place_needs_no_other_one(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(20)

    again = claiming("one", quota=ONE, version=version_of(store, room("one")))
    assert isinstance(store.save_or_claim(again), Claimed)


def test_a_stop_is_never_refused(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(20)
    stop = owing(Command.STOP, key=room("two"))
    save = Save(0, stop, claim(stop, "f", NOON * 2), lease_ms=8000, quota=ONE)

    assert isinstance(store.save_or_claim(save), Claimed)


def test_the_account_s_cap_counts_the_places_of_every_rule(store: Store, clock: Clock) -> None:
    def under(rule: str) -> ConcurrencyQuota:
        return ConcurrencyQuota(rule, of_rule=5, of_account=2)

    saved = []
    for name, rule in (("one", "a"), ("two", "b"), ("three", "c")):
        saved.append(store.save_or_claim(claiming(name, quota=under(rule))))
        clock.pass_ms(20)

    assert [isinstance(one, Claimed) for one in saved] == [True, True, False]
    store.save_or_claim(ended("one", version_of(store, room("one")), under("a")))
    assert taken(store) == ["three"]


def test_who_waits_under_one_rule_keeps_nobody_of_another_waiting(
    store: Store, clock: Clock
) -> None:
    store.save_or_claim(claiming("one", quota=ConcurrencyQuota("a", of_rule=1, of_account=3)))
    clock.pass_ms(20)
    store.save_or_claim(
        claiming("two", quota=ConcurrencyQuota("a", of_rule=1, of_account=3, priority=9))
    )
    other = claiming("three", quota=ConcurrencyQuota("b", of_rule=1, of_account=3))

    assert isinstance(store.save_or_claim(other), Claimed)


def test_a_cap_that_was_raised_is_seen_in_time(store: Store, clock: Clock) -> None:
    store.save_or_claim(claiming("one", quota=ONE))
    clock.pass_ms(20)
    store.save_or_claim(claiming("two", quota=ONE))
    clock.pass_ms(300_000)

    assert "two" in taken(store)
    raised = replace(ONE, of_rule=2)
    again = claiming("two", quota=raised, version=version_of(store, room("two")))
    assert isinstance(store.save_or_claim(again), Claimed)


def test_two_writers_never_take_more_places_than_there_are(
    another_store: OpenStore, clock: Clock
) -> None:
    stores, five = [another_store(), another_store()], ConcurrencyQuota("classes", of_rule=5)

    def claim_all(one: Store, names: list[str]) -> int:
        saved = [one.save_or_claim(claiming(name, wait=10_000, quota=five)) for name in names]
        return sum(isinstance(each, Claimed) for each in saved)

    halves = [[f"room{n}" for n in range(start, 40, 2)] for start in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(claim_all, stores, halves)) == 5


# --- what takes a place -------------------------------------------------------------------------


def test_what_takes_a_place_and_what_does_not() -> None:
    waiting = owing(Command.START)
    flying = claim(waiting, "f", NOON * 2)
    live = replace(waiting, pending=None, session=Session(1, NOON))
    adopted = replace(live, confirmation=Confirmation(1, NOON, StartSource.ADOPTED))
    stopping = replace(owing(Command.STOP), ever_claimed=True)
    foreign = replace(
        StreamRecord(room("x")), last_report=LastReport(recording=True, what="", at=NOON)
    )

    assert flying is not None
    assert [counts_against_quota(one) for one in (waiting, live, foreign)] == [False] * 3
    assert [counts_against_quota(one) for one in (flying, adopted, stopping)] == [True] * 3

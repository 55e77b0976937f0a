"""What a store does when its clock is set back or forward, on every engine."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from shared.protocol import Command, StreamKey
from shared.protocol.rules.claim import claim
from shared.protocol.state.command import MAX_SLOT_WAIT_MS
from shared.protocol.state.recording import StreamRecord
from shared.store import Store
from shared.store.contract import MAX_THROTTLE_PAUSE_MS, Claimed, Conflict, Save, Stored
from shared.store.misplaced import PAGE_ROWS, Page, next_page
from tests.conftest import KEY, NOON, Clock, owing, saving, version_of

pytestmark = pytest.mark.slow

HOUR_MS = 3_600_000
INTERVAL_MS = 20


def try_to_claim(store: Store, number: int, *, wait: int = 0) -> float | None:
    """Return in how many ms the slot of a fresh stream comes; None if it got none."""
    record = owing(Command.STOP, key=StreamKey("live.example.com", "app", f"room{number}"))
    flying = claim(record, f"flight-{number}", NOON * 2)
    saved = store.save_or_claim(Save(0, record, flying, slot_wait_ms=wait, lease_ms=8000))
    return saved.slot_in if isinstance(saved, Claimed) else None


# --- the rate limit -----------------------------------------------------------------------------


def test_commands_go_on_within_seconds_after_the_clock_was_set_back(
    store: Store, clock: Clock
) -> None:
    try_to_claim(store, 0)
    clock.pass_ms(-HOUR_MS)
    assert try_to_claim(store, 1) is None
    clock.pass_ms(MAX_THROTTLE_PAUSE_MS)

    assert try_to_claim(store, 2) == 0


@pytest.mark.parametrize("step_ms", [-HOUR_MS, -5_000, -300, 0])
def test_no_slot_is_given_twice_however_far_the_clock_is_set_back(
    store: Store, clock: Clock, step_ms: int
) -> None:
    """By true time, no two slots are nearer than the rate allows."""
    true_ms, slots = 0, list[float]()
    for number in range(400):
        if number == 150:
            clock.pass_ms(step_ms)
        given = try_to_claim(store, number, wait=250)
        slots += [] if given is None else [true_ms + given]
        clock.pass_ms(10)
        true_ms += 10

    assert len(slots) > 80
    assert all(after - before > INTERVAL_MS - 0.01 for before, after in pairwise(slots))


def test_a_clock_set_forward_gives_at_most_the_slots_of_one_wait_more(
    store: Store, clock: Clock
) -> None:
    """The slots that lie ahead at the step are given to others again, once."""
    true_ms, slots = 0, list[float]()
    for number in range(400):
        clock.pass_ms(HOUR_MS if number == 150 else 0)
        given = try_to_claim(store, number, wait=250)
        slots += [] if given is None else [true_ms + given]
        clock.pass_ms(10)
        true_ms += 10
    in_a_second = max(sum(at <= other < at + 1000 for other in slots) for at in slots)

    assert in_a_second <= 1000 / INTERVAL_MS + 1 + 250 / INTERVAL_MS + 1


def test_a_pause_for_throttling_survives_a_clock_that_is_set_back(
    store: Store, clock: Clock
) -> None:
    store.pause_slots(MAX_THROTTLE_PAUSE_MS)
    clock.pass_ms(-HOUR_MS)

    assert store.rate_limit_use().ahead == MAX_THROTTLE_PAUSE_MS
    assert try_to_claim(store, 1) is None
    store.pause_slots(200)
    clock.pass_ms(MAX_THROTTLE_PAUSE_MS - 1)
    assert try_to_claim(store, 2) is None
    clock.pass_ms(1)
    assert try_to_claim(store, 3) == 0


def test_polls_go_on_too(store: Store, clock: Clock) -> None:
    store.poll_slot(0)
    clock.pass_ms(-HOUR_MS)
    assert store.poll_slot(0) is None
    clock.pass_ms(max(MAX_SLOT_WAIT_MS + INTERVAL_MS, MAX_THROTTLE_PAUSE_MS))

    assert store.poll_slot(0) == 0


# --- what is due --------------------------------------------------------------------------------


def test_the_store_says_since_when_its_clock_is_steady(store: Store, clock: Clock) -> None:
    assert store.load(KEY).continuity.steady_since == 0
    for _ in range(3):
        clock.pass_ms(60_000)
        store.register("reconcile", "timer", 2000)
    assert store.load(KEY).continuity.steady_since == 0

    clock.pass_ms(HOUR_MS)
    forward = clock.now
    assert store.load(KEY).continuity.steady_since == forward
    clock.pass_ms(60_000)
    assert store.load(KEY).continuity.steady_since == forward

    clock.pass_ms(-HOUR_MS)
    assert store.load(KEY).continuity.steady_since == clock.now


def test_a_worker_s_registration_is_a_touch(store: Store, clock: Clock) -> None:
    store.register("reconcile", "timer", 2000)
    clock.pass_ms(HOUR_MS)
    store.register("reconcile", "timer", 2000)
    clock.pass_ms(5_000)

    assert store.load(KEY).continuity.steady_since == clock.now - 5_000


def walked(store: Store) -> list[Page]:
    """Walk through the pages to their end, and return them."""
    pages = list[Page]()
    while page := next_page(store):
        pages.append(page)
        store.move_misplaced(page.before, page.after)
    return pages


def test_what_release_0_2_left_is_put_in_order_once(store: Store, clock: Clock) -> None:
    """It noted no touch, and gave no stream at rest a time at which it is forgotten."""
    store.save_or_claim(saving(StreamRecord(KEY, changed_at=NOON)))
    assert next_page(store) is None
    store.register("reconcile", "timer", 2000)
    found = [key for page in walked(store) for key in page.keys]
    clock.pass_ms(60_000)
    store.register("reconcile", "timer", 2000)

    assert (found, next_page(store)) == ([KEY], None)


def test_all_that_is_due_is_put_in_order_page_by_page(store: Store, clock: Clock) -> None:
    """Each record once, whatever its phase, and nothing any more after that."""
    store.register("reconcile", "timer", 2000)
    walked(store)
    keys = {StreamKey("live.example.com", "app", f"room{number:03d}") for number in range(250)}
    for key in keys:
        command = Command.STOP if key.stream < "room125" else Command.START
        store.save_or_claim(saving(owing(command, key=key, at=clock.now + 500)))
    assert next_page(store) is None

    clock.pass_ms(-HOUR_MS)
    store.register("reconcile", "timer", 2000)
    pages = walked(store)
    found = [key for page in pages for key in page.keys]

    assert len(found) == len(keys) == 250
    assert set(found) == keys
    assert max(len(page.keys) for page in pages) <= PAGE_ROWS
    assert {key.stream for key in pages[0].keys} <= {f"room{n:03d}" for n in range(125)}


def test_a_clock_that_is_set_back_once_more_begins_the_pages_anew(
    store: Store, clock: Clock
) -> None:
    store.register("reconcile", "timer", 2000)
    store.save_or_claim(saving(owing(Command.STOP)))
    clock.pass_ms(-HOUR_MS)
    store.load(KEY)
    page = next_page(store)
    assert page is not None
    store.move_misplaced(page.before, page.after)
    clock.pass_ms(-HOUR_MS)
    store.load(KEY)
    store.move_misplaced(page.after, page.after)

    assert next_page(store) == page


def test_what_was_decided_before_the_clock_was_set_back_is_not_saved(
    store: Store, clock: Clock
) -> None:
    """Its times would lie an hour ahead: it has to be decided again."""
    loaded = store.load(KEY)
    clock.pass_ms(-HOUR_MS)
    save = replace(saving(owing(Command.STOP, at=loaded.now)), decided_at=loaded.now)
    assert store.save_or_claim(save) == Conflict()

    again = store.load(KEY)
    assert store.save_or_claim(replace(save, decided_at=again.now)) == Stored(version_of(store))


def test_a_clock_that_goes_back_by_milliseconds_is_no_conflict(store: Store, clock: Clock) -> None:
    decided_at = store.load(KEY).now
    clock.pass_ms(-200)

    save = replace(saving(owing(Command.STOP)), decided_at=decided_at)
    assert store.save_or_claim(save) == Stored(version_of(store))


# --- workers and timestamps ---------------------------------------------------------------------


def test_a_worker_that_registered_before_the_clock_was_set_back_is_at_work_no_more(
    store: Store, clock: Clock
) -> None:
    store.register("reconcile", "killed", 2000)
    clock.pass_ms(-HOUR_MS)

    assert store.may_wake_one("reconcile", 1, 1000)
    assert store.register("reconcile", "another", 2000) == 0


def test_a_wake_that_lies_ahead_keeps_nobody_from_waking(store: Store, clock: Clock) -> None:
    assert store.may_wake_one("reconcile", 1, 1000)
    clock.pass_ms(-HOUR_MS)

    assert store.may_wake_one("reconcile", 1, 1000)
    assert not store.may_wake_one("reconcile", 1, 1000)


def test_a_timestamp_that_lies_ahead_ages_from_now_on(store: Store, clock: Clock) -> None:
    store.touch("reconciled")
    clock.pass_ms(-HOUR_MS)

    assert store.age_ms("reconciled") == 0
    clock.pass_ms(180_000)
    assert store.age_ms("reconciled") == 180_000

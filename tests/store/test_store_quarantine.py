"""What every store promises of a record that cannot be read, and of a stream that crashes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.protocol import Command, StreamKey
from shared.protocol.reason import Reason
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import Session
from shared.store import Store
from shared.store.contract import Filter, Save, Stored
from shared.store.store_errors import Unreadable
from tests.conftest import KEY, NOON, Clock, OpenStore, owing, saving, version_of
from tests.support.broken_records import LATER_STATE, break_record, set_aside

OTHER = StreamKey(KEY.domain, KEY.app, "room2")
HOUR_MS = 3_600_000


def wanted_until(until: int) -> StreamRecord:
    intent = Intent(generation=1, wanted=True, reason=Reason.ASKED_START, until=until)
    return StreamRecord(KEY, intent, session=Session(1, NOON, NOON, NOON))


def test_a_record_that_cannot_be_read_says_so_and_stops_no_list(store: Store) -> None:
    for key in (KEY, OTHER):
        store.save_or_claim(saving(replace(wanted_until(NOON + HOUR_MS), key=key)))
    break_record(store, KEY)

    with pytest.raises(Unreadable, match=KEY.stream) as raised:
        store.load(KEY)
    assert (raised.value.key, raised.value.now) == (KEY, NOON)
    broken, whole = store.listed(Filter(), after=None, limit=9)
    assert isinstance(broken, Unreadable)
    assert broken.key == KEY
    assert isinstance(whole, StreamRecord)
    assert {watched.key for watched in store.watched(KEY.domain)} == {KEY, OTHER}
    assert sum(store.phases().values()) == 2


def test_a_record_that_cannot_be_read_can_be_replaced_and_is_kept(store: Store) -> None:
    store.save_or_claim(saving(owing(Command.START)))
    break_record(store, KEY)
    with pytest.raises(Unreadable) as raised:
        store.load(KEY)
    save = Save(raised.value.version, owing(Command.STOP), sets_aside=True)
    assert isinstance(store.save_or_claim(save), Stored)

    assert store.load(KEY).record == owing(Command.STOP)
    if store.durability().engine != "memory":
        assert set_aside(store, KEY) == LATER_STATE


@pytest.mark.parametrize("document", ["", "{", "null", "[]", '{"format":9}', '"\x00"'])
def test_whatever_is_stored_in_place_of_a_record_is_unreadable(
    another_store: OpenStore, document: str
) -> None:
    store = another_store()
    store.save_or_claim(saving(owing(Command.START)))
    break_record(store, KEY, document)

    with pytest.raises(Unreadable):
        store.load(KEY)


def pauses(store: Store, clock: Clock, count: int) -> list[int | None]:
    """Let the stream crash so often, each time it is due; return after how many ms it is due."""
    found = []
    for _ in range(count):
        assert store.take_due(1, 2_000) == [KEY]
        store.postpone(KEY)
        found.append(store.next_due())
        clock.pass_ms(store.next_due() or 0)
    return found


def test_a_stream_that_crashes_comes_up_at_growing_distances(store: Store, clock: Clock) -> None:
    store.save_or_claim(saving(owing(Command.START)))
    assert store.quarantined() == 0

    assert pauses(store, clock, 9) == [
        *(5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000)
    ]
    assert store.quarantined() == 1


@pytest.mark.parametrize("command", [Command.STOP, Command.CANCEL_DELAY])
def test_a_stream_with_a_stop_to_send_comes_up_within_15_s(
    store: Store, clock: Clock, command: Command
) -> None:
    store.save_or_claim(saving(owing(command)))

    assert pauses(store, clock, 5) == [5_000, 10_000, 15_000, 15_000, 15_000]


def test_a_stream_whose_end_has_passed_comes_up_within_15_s(store: Store, clock: Clock) -> None:
    store.save_or_claim(saving(wanted_until(NOON + HOUR_MS)))
    clock.pass_ms(HOUR_MS)

    assert pauses(store, clock, 4) == [5_000, 10_000, 15_000, 15_000]


def test_a_stream_whose_end_lies_ahead_may_wait(store: Store, clock: Clock) -> None:
    pending = owing(Command.START)
    intent = replace(pending.intent, until=NOON + HOUR_MS)
    store.save_or_claim(saving(replace(pending, intent=intent)))

    assert pauses(store, clock, 4)[-1] == 40_000


def test_a_save_ends_the_quarantine(store: Store, clock: Clock) -> None:
    store.save_or_claim(saving(owing(Command.START)))
    pauses(store, clock, 3)
    store.save_or_claim(saving(owing(Command.START), version=version_of(store)))

    assert store.quarantined() == 0
    assert pauses(store, clock, 1) == [5_000]


def test_the_others_are_handed_out_meanwhile(store: Store) -> None:
    for key in (KEY, OTHER):
        store.save_or_claim(saving(owing(Command.START, key=key)))
    store.take_due(1, 2_000)
    store.postpone(KEY)

    assert store.take_due(9, 2_000) == [OTHER]


def test_a_stream_that_is_never_due_is_counted_and_stays_so(store: Store) -> None:
    store.save_or_claim(saving(StreamRecord(KEY, changed_at=NOON)))
    store.postpone(KEY)
    store.postpone(OTHER)

    assert (store.quarantined(), store.next_due()) == (1, None)


def test_a_stream_that_cannot_be_read_is_counted_without_moving(store: Store) -> None:
    pending = owing(Command.START, at=NOON + HOUR_MS)
    store.save_or_claim(saving(pending))
    store.quarantine(KEY)
    store.quarantine(KEY)

    assert (store.quarantined(), store.next_due()) == (1, HOUR_MS)
    assert store.never_crashed(9) == [KEY]
    store.postpone(KEY)
    assert store.never_crashed(9) == []
    store.release(KEY)
    assert store.quarantined() == 0

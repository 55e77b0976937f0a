"""The account of a stream in the store: added to, aged, listed, and kept when it is forgotten."""

from __future__ import annotations

from msgspec.structs import replace

from shared.ledger.edges import LEDGER_MAX_ENTRIES, Edge, EdgeKind
from shared.protocol import Command, Reason, StreamKey, StreamRecord
from shared.protocol.quota import ConcurrencyQuota
from shared.store import Store
from shared.store.contract import DAY_MS, Filter, Save, Stored
from tests.conftest import KEY, NOON, Clock, owing, version_of
from tests.store.test_store import claiming

LIVE = Edge(EdgeKind.LIVE, NOON)
THROTTLED = Edge(EdgeKind.CAUSE, NOON + 5, Reason.THROTTLED, "Throttling.User")
OFF = Edge(EdgeKind.OFF, NOON + 9)


def add(store: Store, *edges: Edge, key: StreamKey = KEY) -> None:
    version = store.load(key).version
    record = StreamRecord(key, changed_at=version + 1)
    store.save_or_claim(Save(version, record, edges=edges))


def test_edges_are_kept_in_the_order_in_which_they_were_noted(store: Store) -> None:
    add(store, OFF, LIVE)
    add(store)
    add(store, THROTTLED)
    assert list(store.edges(KEY)) == [OFF, LIVE, THROTTLED]
    assert list(store.edges(replace(KEY, stream="other"))) == []


def test_an_account_outlives_the_record(store: Store) -> None:
    add(store, LIVE, OFF)
    store.save_or_claim(Save(store.load(KEY).version, StreamRecord(KEY)))
    assert store.load(KEY).version == 0
    assert list(store.edges(KEY)) == [LIVE, OFF]
    add(store, THROTTLED)
    assert list(store.edges(KEY)) == [LIVE, OFF, THROTTLED]


def test_edges_age_one_by_one(store: Store, clock: Clock) -> None:
    add(store, LIVE)
    clock.pass_ms(300 * DAY_MS)
    add(store, OFF)
    clock.pass_ms(101 * DAY_MS)
    add(store, THROTTLED)
    assert list(store.edges(KEY)) == [OFF, THROTTLED]


def test_an_account_ends_once_nothing_was_added_for_too_long(store: Store, clock: Clock) -> None:
    other = replace(KEY, stream="other")
    add(store, LIVE)
    clock.pass_ms(401 * DAY_MS)
    add(store, LIVE, key=other)
    assert list(store.accounts(Filter(), after=None, limit=9)) == [other]


def test_accounts_are_paged_by_name_and_filtered(store: Store) -> None:
    keys = [StreamKey("live.example.com", app, name) for app in ("a", "b") for name in ("x", "y")]
    for key in reversed(keys):
        add(store, LIVE, key=key)
    assert list(store.accounts(Filter(), after=None, limit=3)) == keys[:3]
    assert list(store.accounts(Filter(), after=keys[2], limit=3)) == keys[3:]
    of_b = Filter(domain="live.example.com", app="b")
    assert list(store.accounts(of_b, after=keys[0], limit=9)) == keys[2:]
    assert list(store.accounts(Filter(app="a"), after=None, limit=9)) == keys[:2]
    assert list(store.accounts(Filter(domain="other.example.com"), after=None, limit=9)) == []


def test_over_a_quota_other_edges_are_added(store: Store) -> None:
    save = replace(
        claiming(owing(Command.START)),
        quota=ConcurrencyQuota("cup", of_rule=0),
        if_no_quota=owing(Command.START),
        edges=(LIVE,),
        edges_over_quota=(LIVE, THROTTLED),
    )
    assert store.save_or_claim(save) == Stored(version_of(store), over_quota=True)
    assert list(store.edges(KEY)) == [LIVE, THROTTLED]


def test_an_account_has_so_many_edges_at_most(store: Store) -> None:
    few = tuple(Edge(EdgeKind.CAUSE, NOON + at) for at in range(50))
    for _ in range(LEDGER_MAX_ENTRIES // len(few) + 3):
        add(store, *few)
    add(store, OFF)
    kept = store.edges(KEY)
    assert LEDGER_MAX_ENTRIES - len(few) <= len(kept) <= LEDGER_MAX_ENTRIES
    assert kept[-3:] == [*few[-2:], OFF]


def test_what_has_no_record_may_have_an_account(store: Store) -> None:
    """A pattern has none."""
    store.save_or_claim(Save(0, StreamRecord(KEY), edges=(LIVE,)))

    assert store.load(KEY).version == 0
    assert list(store.edges(KEY)) == [LIVE]
    assert list(store.accounts(Filter(), after=None, limit=9)) == [KEY]

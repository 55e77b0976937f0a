"""Compares Live's lists and lost callbacks with the stored records, and handles each difference as
an event.

Callbacks only make live-record faster: this module also finds the changes that no callback
reported. The function reconcile runs it. It decides nothing itself: every difference goes through
`Recorder.handle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from shared.engine.effects import (
    CallbackSource,
    ListOnline,
    OnlineSnapshot,
    ReadUndelivered,
    ReadWatched,
    Steps,
    TouchSource,
    Undelivered,
    do,
)
from shared.engine.recorder import Crashed, HandlingOptions, Recorder
from shared.protocol import Polled, SettingsChanged, StreamKey

ONLY_STORE = HandlingOptions(may_send=lambda: False)
"""The options of a comparison, which only stores. Its commands are sent later with all others, in
order, by many workers."""
ONLY_STORE_NEWS = replace(ONLY_STORE, record_no_ops=False)
"""Like ONLY_STORE, for events that are often known already, such as replayed ones: an event that
changes nothing adds no line of history."""
REMEMBERED_EVENTS = 20_000
"""Replayed events that one process remembers. Forgetting one costs a load."""


class Resync:
    """Finds the changes that no callback reported, and decides again after the policy was changed.
    `compare` reads the online list, `replay` reads callbacks that Live could not deliver, and
    `decide_anew` applies the new policy."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._replayed: dict[Undelivered, None] = {}

    def compare(
        self, domain: str, may_go_on: Callable[[], bool], *, only_awaited: bool = False
    ) -> Steps[int]:
        """Handle each difference between a domain's online list and the records. Return how many
        were handled; 0 if the list could not be read. If time runs out, the next run finds the
        rest.

        First come the listed streams for which the records have no session, or only an ended one.
        With `only_awaited`, only those listed streams follow whose record leaves something
        undecided (`Watched.doubted`). While many streams come up at once, nothing else is urgent.
        """
        snapshot = yield from do(ListOnline(domain))
        fed = 0
        if snapshot is None:
            return fed
        for key, polled in _awaited(snapshot) if only_awaited else _differences(snapshot):
            if not may_go_on():
                break
            yield from self._recorder.handle_alone(key, polled, ONLY_STORE)
            fed += 1
        return fed

    def decide_anew(
        self, domain: str, may_go_on: Callable[[], bool], *, fills_index: bool = False
    ) -> Steps[bool]:
        """Decide again about every session of the domain that has not ended, because the policy,
        the mode or a cap may have changed. Return False if time ran out. With `fills_index`, also
        save the records that do not change, so that an index of the store that is new in this
        release gets their rows."""
        options = replace(ONLY_STORE_NEWS, must_save=fills_index)
        for watched in (yield from do(ReadWatched(domain))):
            if not may_go_on():
                return False
            yield from self._recorder.handle_alone(watched.key, SettingsChanged(), options)
        return True

    def replay(self, source: CallbackSource, may_go_on: Callable[[], bool]) -> Steps[int]:
        """Handle the events of the source's callbacks that Live could not deliver, unless this
        process has handled them before; return how many were handled. If time runs out, the next
        run reads the rest."""
        fed = 0
        undelivered = yield from do(ReadUndelivered(source))
        for entry in [entry for entry in undelivered or () if entry not in self._replayed]:
            if not may_go_on():
                return fed
            handled = yield from self._recorder.handle_alone(*entry, ONLY_STORE_NEWS)
            if isinstance(handled, Crashed):
                continue  # it is read again for OVERLAP_MS
            self._remember(entry)
            fed += 1
        if undelivered is not None:
            yield from do(TouchSource(source))
        return fed

    def _remember(self, entry: Undelivered) -> None:
        self._replayed[entry] = None
        while len(self._replayed) > REMEMBERED_EVENTS:
            del self._replayed[next(iter(self._replayed))]


def _unknown(snapshot: OnlineSnapshot) -> Iterator[tuple[StreamKey, Polled]]:
    known = {watched.key for watched in snapshot.watched}
    for key, published in snapshot.online.items():
        if key not in known:
            yield key, Polled(published, snapshot.asked_at)


def _awaited(snapshot: OnlineSnapshot) -> Iterator[tuple[StreamKey, Polled]]:
    """Yield the listed streams for which the records have no session, or only an ended one. After
    them, yield the listed streams whose record leaves something undecided."""
    yield from _unknown(snapshot)
    for watched in snapshot.watched:
        published = snapshot.online.get(watched.key)
        if published is not None and watched.doubted:
            yield watched.key, Polled(published, snapshot.asked_at)


def _differences(snapshot: OnlineSnapshot) -> Iterator[tuple[StreamKey, Polled]]:
    yield from _unknown(snapshot)
    for watched in snapshot.watched:
        published = snapshot.online.get(watched.key)
        if published is None or watched.doubted or watched.listed != published:
            yield watched.key, Polled(published, snapshot.asked_at)

"""Finds records whose due entry, their place in the queue, may be wrong or missing.

A due entry may be wrong after the store's clock was set back, because its time came from the clock
before that. It may be missing in a store that release 0.2 has filled: this release wrote none for a
stream at rest, but such a stream must be forgotten some day. So each record is saved again, a page
at a time, the most urgent phases first. The store keeps the place of the last record that was saved
again. `Invocation.put_in_order` calls this module, for any kind of store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import astuple

from shared.protocol.derived.phase import Phase
from shared.protocol.stream import StreamKey
from shared.store.contract import Filter

PAGE_ROWS = 100
_ORDER = (
    *(Phase.STOPPING, Phase.QUEUED, Phase.STARTING, Phase.RECORDING),
    *(Phase.WAITING, Phase.FAILED, Phase.UNMANAGED, Phase.IDLE),
)


class MisplacedStore(Protocol):
    def misplaced_after(self) -> str | None: ...
    def move_misplaced(self, before: str, after: str) -> None: ...
    def named(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamKey]: ...


class Page(Struct, frozen=True):
    """The records of `keys` are to be saved again. `before` tells how far the repair has come, and
    `after` how far it has come once these records are saved."""

    keys: Sequence[StreamKey]
    before: str
    after: str


def next_page(store: MisplacedStore) -> Page | None:
    """Return the next page of records to save again, or None if all due entries are in order.
    After the last records comes one empty page."""
    before = store.misplaced_after()
    if before is None:
        return None
    name, *parts = before.split("\0", 3) if before else (_ORDER[0].value,)
    after = StreamKey(*parts) if parts else None
    for phase in _ORDER[_ORDER.index(Phase(name)) :]:
        keys = store.named(Filter(phase), after=after, limit=PAGE_ROWS)
        if keys:
            return Page(keys, before, "\0".join((phase.value, *astuple(keys[-1]))))
        after = None
    return Page((), before, before)

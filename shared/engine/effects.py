"""What a generator of the recorder may want done, and of whom: the effects, the store, Live."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

from msgspec import Struct

from shared.protocol import Accepted, Event, Flight, Polled, StreamKey
from shared.protocol.command_errors import LiveError
from shared.protocol.stream import Command
from shared.store.contract import Loaded, Save, Saved, Watched

T = TypeVar("T")


class RecordStore(Protocol):
    """The few atomic promises a record needs: see the contract suite in
    tests/store/test_store.py."""

    def load(self, key: StreamKey) -> Loaded: ...
    def save_or_claim(self, save: Save) -> Saved: ...
    def take_due(self, limit: int, hold: int) -> Sequence[StreamKey]: ...
    def poll_slot(self, wait: int) -> float | None: ...
    def slow(self, ms: int) -> None: ...
    def watched(self, domain: str) -> Sequence[Watched]: ...
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...
    def now(self) -> int: ...


class LiveApi(Protocol):
    """All but `prepare` raise a LiveError. `find` gives the stream's PublishTime in ms, None when
    it is offline; `online` those of all of a domain's streams. `undelivered` is what the callbacks
    of the source would have said that Live gave up between two times (ms); it calls `pace` before
    each request. `prepare` does what is slow, before a slot is taken."""

    def prepare(self) -> None: ...
    def send(self, command: Command, key: StreamKey) -> str: ...
    def find(self, key: StreamKey) -> int | None: ...
    def online(self, domain: str) -> Sequence[tuple[StreamKey, int]]: ...
    def undelivered(
        self, source: CallbackSource, since: int, until: int, take_poll_slot: Callable[[], None]
    ) -> Sequence[Undelivered]: ...


Undelivered = tuple[StreamKey, Event]
"""What a callback that did not come would have said."""


class CallbackSource(Struct, frozen=True):
    """The callbacks that are configured on one domain: those about streams on an ingest domain
    (`is_ingest`), those about recordings on a streaming domain."""

    domain: str
    is_ingest: bool

    @property
    def timestamp(self) -> str:
        """Under which the store remembers until when they were read back."""
        return f"read back:{'stream' if self.is_ingest else 'record'}:{self.domain}"


class Effect(Struct, Generic[T], frozen=True):
    """What a generator wants done; `T` is what it gets back."""


class Load(Effect[Loaded], frozen=True):
    key: StreamKey


class SaveOrClaim(Effect[Saved], frozen=True):
    save: Save


class CommandResult(Struct, frozen=True):
    """What came of a command, and when: ms by the store's clock, told from that of its claim and
    the time that has passed since. Never ahead of the store's."""

    answer: Accepted | LiveError
    at: int


class Send(Effect[CommandResult], frozen=True):
    key: StreamKey
    flight: Flight


class QueryOnline(Effect[Polled | None], frozen=True):
    """None: the look failed, which says nothing about the stream."""

    key: StreamKey
    asked_at: int


class OnlineSnapshot(Struct, frozen=True):
    """What was online, asked at `asked_at`, and the sessions that we thought were."""

    asked_at: int
    online: Mapping[StreamKey, int]
    watched: Sequence[Watched]


class ListOnline(Effect[OnlineSnapshot | None], frozen=True):
    """None: the list failed, which says nothing about any stream."""

    domain: str


class ReadUndelivered(Effect["Sequence[Undelivered] | None"], frozen=True):
    """What of this source Live could not deliver lately; None: nobody knows, which says nothing."""

    source: CallbackSource


class TouchSource(Effect[None], frozen=True):
    """All that was read back of this source is stored."""

    source: CallbackSource


class TakeDue(Effect[Sequence[StreamKey]], frozen=True):
    """Nobody else is handed them for `hold` ms, or until they are saved."""

    limit: int
    hold: int


Steps = Generator[Effect[Any], Any, T]


def do(effect: Effect[T]) -> Steps[T]:
    """The effect's own result type, which a bare yield cannot tell."""
    return cast("T", (yield effect))


def run(steps: Steps[T], perform: Callable[[Effect[Any]], Any]) -> T:
    """Drive a generator of effects to its end."""
    reply: Any = None
    while True:
        try:
            effect = steps.send(reply)
        except StopIteration as end:
            return cast("T", end.value)
        reply = perform(effect)

"""The effects that the recorder's generators yield, and the interfaces of the store and the Live
API.

`EffectHandler`, the explorer and the simulation perform the effects. Nothing here does any I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from shared.protocol import Accepted, Event, Flight, Polled, StreamKey
from shared.protocol.command_errors import LiveError
from shared.protocol.stream import Command
from shared.store.contract import Loaded, Save, Saved, Watched
from shared.store.store_errors import Unreadable

T = TypeVar("T")


class RecordStore(Protocol):
    """The part of a store that the effects need. Each method is atomic; tests/store/test_store.py
    tests what the methods promise."""

    def load(self, key: StreamKey) -> Loaded: ...
    def save_or_claim(self, save: Save) -> Saved: ...
    def take_due(self, limit: int, hold: int) -> Sequence[StreamKey]: ...
    def postpone(self, key: StreamKey) -> None: ...
    def poll_slot(self, wait: int) -> float | None: ...
    def pause_slots(self, ms: int) -> None: ...
    def watched(self, domain: str) -> Sequence[Watched]: ...
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...
    def now(self) -> int: ...


class LiveApi(Protocol):
    """The Live API. All methods but `prepare` may raise a LiveError. `prepare` does slow work
    before a slot is taken. `send` returns Live's RequestId. `find` returns the stream's PublishTime
    in ms, or None if the stream is offline. `online` returns every stream of a domain that is
    online, with its PublishTime. `undelivered` returns the events of the callbacks that Live gave
    up between `since` and `until`, in ms; it calls `take_poll_slot` before each request.
    """

    def prepare(self) -> None: ...
    def send(self, command: Command, key: StreamKey) -> str: ...
    def find(self, key: StreamKey) -> int | None: ...
    def online(self, domain: str) -> Sequence[tuple[StreamKey, int]]: ...
    def undelivered(
        self, source: CallbackSource, since: int, until: int, take_poll_slot: Callable[[], None]
    ) -> Sequence[Undelivered]: ...


Undelivered = tuple[StreamKey, Event]
"""The stream and the event of a callback that was not delivered."""


class CallbackSource(Struct, frozen=True):
    """The callbacks that are configured on one domain. The callbacks of an ingest domain
    (`is_ingest`) are about streams; those of a streaming domain are about recordings."""

    domain: str
    is_ingest: bool

    @property
    def timestamp(self) -> str:
        """Return the name of the timestamp that says when this source's undelivered callbacks were
        last read."""
        return f"read back:{'stream' if self.is_ingest else 'record'}:{self.domain}"


class Effect(Struct, Generic[T], frozen=True):
    """A request that a generator yields to the code that drives it; `T` is the type of the
    reply."""


LoadReply: TypeAlias = Loaded | Unreadable


class Load(Effect[LoadReply], frozen=True):
    key: StreamKey


class SaveOrClaim(Effect[Saved], frozen=True):
    save: Save


class CommandResult(Struct, frozen=True):
    """The answer to a command. The command left at `sent_at`, and the answer came at `at`, both in
    ms by the store's clock. Both times are estimates: the flight's slot, plus the time that this
    process has counted since. An estimate is never later than the true time. So `sent_at` may be
    some ms before the slot."""

    answer: Accepted | LiveError
    at: int
    sent_at: int


class Send(Effect[CommandResult], frozen=True):
    key: StreamKey
    flight: Flight


class QueryOnline(Effect[Polled | None], frozen=True):
    """Polls one stream: asks Live whether the stream is online. The reply None means that the poll
    failed, which proves nothing about the stream."""

    key: StreamKey
    asked_at: int


class OnlineSnapshot(Struct, frozen=True):
    """A domain's online list, with the PublishTime of each stream, read just after `asked_at`.
    `watched` are the sessions that had not ended just before `asked_at`."""

    asked_at: int
    online: Mapping[StreamKey, int]
    watched: Sequence[Watched]


class ListOnline(Effect[OnlineSnapshot | None], frozen=True):
    """Reads a domain's online list. The reply None means that the read failed, which proves nothing
    about any stream."""

    domain: str


class ReadWatched(Effect[Sequence[Watched]], frozen=True):
    """Reads the sessions of a domain that have not ended."""

    domain: str


class ReadUndelivered(Effect["Sequence[Undelivered] | None"], frozen=True):
    """Reads the recent callbacks that Live could not deliver. The reply None means that the read
    failed."""

    source: CallbackSource


class TouchSource(Effect[None], frozen=True):
    """Sets the source's timestamp to now, once the undelivered callbacks that were read are
    handled."""

    source: CallbackSource


class TakeDue(Effect[Sequence[StreamKey]], frozen=True):
    """Takes up to `limit` streams that are due. No other worker gets them for `hold` ms, or until
    they are saved."""

    limit: int
    hold: int


class ReportBroken(Effect[None], frozen=True):
    """Reports the names of the invariants that a decision violated. The handling of the stream goes
    on as if nothing had happened."""

    key: StreamKey
    names: tuple[str, ...]


class ReportCrash(Effect[None], frozen=True):
    """Reports that the handling of a stream crashed. If `postpones` is True, the store also leaves
    the stream alone for a while."""

    key: StreamKey
    error: Exception
    postpones: bool


Steps = Generator[Effect[Any], Any, T]


def do(effect: Effect[T]) -> Steps[T]:
    """Yield the effect and return its reply with the right type, which a bare yield would lose."""
    reply: T = yield effect
    return reply


def run(steps: Steps[T], perform: Callable[[Effect[Any]], Any]) -> T:
    """Drive a generator of effects to its end, and return its result. `perform` carries out an
    effect and returns the reply. If `perform` raises, the exception is raised inside the generator,
    at the yield of the effect."""
    resume: Callable[[], Effect[Any]] = partial(next, steps)
    while True:
        try:
            effect = resume()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            resume = partial(steps.send, perform(effect))
        except Exception as error:  # noqa: BLE001 - the generator may know what to do about it
            resume = partial(steps.throw, error)

"""Everything that can happen to a stream: a closed union, named in past participles."""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from shared.protocol.command_errors import LiveError
from shared.protocol.policy import OnInterruption, Rule
from shared.protocol.state.intent import IdempotencyKey, IfNotLive
from shared.quick import dataclass

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a stage and its policy say about one stream. Durations in ms."""

    rule: Rule = field(default_factory=Rule)
    max_duration: int = 12 * HOUR_MS
    hold: int = 12 * HOUR_MS
    merge_delay: int = 180_000
    status_known: bool = False  # status callbacks have been seen to work for the domain
    observe: bool = False
    max_concurrent: int | None = None  # of the whole account


@dataclass(frozen=True, slots=True)
class StartAsked:
    """A person wants the stream recorded. `max_duration` in ms, `until` a time."""

    who: str
    note: str = ""
    on_interruption: OnInterruption | None = None
    if_not_live: IfNotLive = IfNotLive.WAIT
    max_duration: int | None = None
    until: int | None = None
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class StopAsked:
    """`hold` in ms, None for the stage's; `hold_session` holds for the session of now alone."""

    who: str
    note: str = ""
    finalize: bool = False
    hold: int | None = None
    hold_session: bool = False
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class ExtendAsked:
    who: str
    max_duration: int | None = None
    until: int | None = None
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class RestartAsked:
    who: str
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class CancelDelayAsked:
    who: str
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """Live's callback says so; `time` is the callback's own."""

    time: int


@dataclass(frozen=True, slots=True)
class Unpublished:
    time: int


@dataclass(frozen=True, slots=True)
class Polled:
    """The online list, asked at `asked_at`, shows the stream since `published`, or does not."""

    published: int | None
    asked_at: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """Live answered 200."""

    request_id: str


@dataclass(frozen=True, slots=True)
class CommandSettled:
    """The outcome of the command that went out as this flight."""

    flight: str
    answer: Accepted | LiveError


@dataclass(frozen=True, slots=True)
class Reported:
    """Live says what the recording does: it runs (`record_started`, `record_resumed`) or not. Since
    when, by its own clock, it may say too (`time`); that it does is UNCONFIRMED
    (docs/platform/live.md §4).
    """

    what: str
    recording: bool
    time: int | None = None


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """Live accepted the start and could not record after all; `time` as in `Reported`."""

    code: str
    message: str
    time: int | None = None


@dataclass(frozen=True, slots=True)
class FileLeft:
    """A file appeared; its recording ran from `start` to `stop`. `duration` (ms) is what the file
    itself holds, where Live tells: it need not be `stop` - `start` (docs/platform/live.md §4)."""

    uri: str
    start: int
    stop: int
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class FileFailed:
    """A file was lost on its way into another format or place; the recording itself goes on."""

    event: str
    code: str
    message: str
    uri: str


@dataclass(frozen=True, slots=True)
class OnDemandAnswered:
    """Live asked, as the stream began, whether to record it; this is what it was told."""

    need_record: bool


@dataclass(frozen=True, slots=True)
class Remarked:
    """Live says something that changes nothing: an exception (`is_exception`) in the stream, or a
    switch between its two publishers. `what` is fit to be kept."""

    is_exception: bool
    what: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened but time."""


Asked: TypeAlias = StartAsked | StopAsked | ExtendAsked | RestartAsked | CancelDelayAsked
Event: TypeAlias = (
    Asked
    | Published
    | Unpublished
    | Polled
    | CommandSettled
    | Reported
    | RecordFailed
    | FileLeft
    | FileFailed
    | OnDemandAnswered
    | Remarked
    | TimePassed
)

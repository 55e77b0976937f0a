"""Everything that can happen to a stream: a closed union of events, named as past participles."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

from shared.protocol.command_errors import LiveError
from shared.protocol.file import PushArgs
from shared.protocol.policy import OnInterruption, Rule
from shared.protocol.state.intent import IdempotencyKey, IfNotLive, Intent
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.session import Session

HOUR_MS = 3_600_000


class StreamSettings(Struct, frozen=True):
    """The settings of one stream, from its stage and the policy. Durations are in ms."""

    rule: Rule = field(default_factory=Rule)
    max_duration: int = 12 * HOUR_MS
    hold: int = 12 * HOUR_MS
    merge_delay: int = 180_000
    keep: int = 30 * 24 * HOUR_MS
    keep_ledger: int = 400 * 24 * HOUR_MS
    status_known: bool = False  # status callbacks are known to work for the domain
    observe: bool = False
    max_concurrent: int | None = None  # of the whole account
    files_in: str = ""  # the bucket of its files and the endpoint, as name/endpoint, where known
    event_globs: tuple[str, ...] = ()  # the events that the policy's webhook receivers want
    is_policy_suspended: bool = False  # no rule starts a recording
    occurrences: tuple[Occurrence, ...] = ()  # of patterns that fit it, under way or to come

    @property
    def records_on_publish(self) -> bool:
        """Return True if a publish is recorded even if nobody asks."""
        return self.rule.records_on_publish and not self.is_policy_suspended


class StartAsked(Struct, frozen=True):
    """A person wants the stream recorded. `max_duration` is in ms, `until` is a time.
    `allow_short`: an end less than a minute ahead is intended."""

    who: str
    note: str = ""
    on_interruption: OnInterruption | None = None
    if_not_live: IfNotLive = IfNotLive.WAIT
    max_duration: int | None = None
    until: int | None = None
    allow_short: bool = False
    idempotency_key: IdempotencyKey | None = None


class StopAsked(Struct, frozen=True):
    """A person wants no recording. `hold` is in ms; None for the stage's default. `hold_session`:
    hold only for the present session."""

    who: str
    note: str = ""
    finalize: bool = False
    hold: int | None = None
    hold_session: bool = False
    idempotency_key: IdempotencyKey | None = None


class ExtendAsked(Struct, frozen=True):
    who: str
    max_duration: int | None = None
    until: int | None = None
    allow_short: bool = False
    note: str = ""
    idempotency_key: IdempotencyKey | None = None


class RestartAsked(Struct, frozen=True):
    who: str
    idempotency_key: IdempotencyKey | None = None
    note: str = ""


class CancelDelayAsked(Struct, frozen=True):
    who: str
    idempotency_key: IdempotencyKey | None = None
    note: str = ""


class Published(Struct, frozen=True):
    """Live's callback reports a publish at `time`. `needs_poll`: the callback may be a replay, so
    nothing is started before a poll shows the stream."""

    time: int
    needs_poll: bool = False


class Unpublished(Struct, frozen=True):
    time: int


class Polled(Struct, frozen=True):
    """The online list, requested at `asked_at`, shows the stream, with `published` as the time of
    its publish; None if the list does not show the stream."""

    published: int | None
    asked_at: int


class Accepted(Struct, frozen=True):
    """Live answered 200."""

    request_id: str


class CommandSettled(Struct, frozen=True):
    """The answer to the command in this flight. `sent_at` is the earliest time at which the command
    may have left; None for its slot."""

    flight: str
    answer: Accepted | LiveError
    sent_at: int | None = None


class Reported(Struct, frozen=True):
    """Live reports that the recording runs (`record_started`, `record_resumed`), or that it does
    not. `time` is when that began, by Live's clock; whether Live gives a time is UNCONFIRMED
    (docs/platform/live.md §4).
    """

    what: str
    recording: bool
    time: int | None = None


class RecordFailed(Struct, frozen=True):
    """Live accepted the start, but then could not record; `time` as in `Reported`."""

    code: str
    message: str
    time: int | None = None


class FileLeft(Struct, frozen=True):
    """A file was stored. Its recording ran from `start` to `stop`; None for a time that Live does
    not give. `duration` is the file's, in ms, if Live gives it; it need not equal `stop` - `start`
    (docs/platform/live.md §4).
    """

    uri: str
    start: int | None
    stop: int | None
    duration: int | None = None
    push_args: PushArgs = ()


class FileFailed(Struct, frozen=True):
    """A file was lost while Live converted or stored it; the recording itself goes on."""

    event: str
    code: str
    message: str
    uri: str


class Remarked(Struct, frozen=True):
    """Live reports something that changes nothing: an exception (`is_exception`) in the stream, or
    a switch between its two publishers. `what` is Live's code, which is safe to store."""

    is_exception: bool
    what: str


class StateImported(Struct, frozen=True):
    """A person takes over the stream's state from another stage: the intent, and the session that
    its numbers refer to. `is_of_policy`: the other stage's policy made the intent for that session.
    """

    who: str
    intent: Intent
    session: Session | None = None
    is_of_policy: bool = False


class OccurrencesPlanned(Struct, frozen=True):
    """The occurrences of the schedule that have not begun, as far ahead as is planned. They replace
    those planned before. `as_of`: when the calendar was read; None for now. `cancelled`: the ids of
    those that a change took out before they began. An instance that did not know of the change may
    have begun them."""

    schedule: str
    occurrences: tuple[Occurrence, ...] = ()
    as_of: int | None = None
    cancelled: tuple[str, ...] = ()


class OccurrencePut(Struct, frozen=True):
    """A person adds an occurrence, or moves its end."""

    who: str
    occurrence: Occurrence
    note: str = ""


class OccurrenceSkipped(Struct, frozen=True):
    """A person wants no recording for this one occurrence, even if it has begun."""

    who: str
    id: str
    note: str = ""


class SettingsChanged(Struct, frozen=True):
    """The policy, the mode or a cap of the stage may have changed since the last decision."""


class TimePassed(Struct, frozen=True):
    """Time passed, and nothing else happened. A poll that is due stays due if the caller may not
    poll: only a poll that was made counts."""

    may_query_online: bool = True


Asked: TypeAlias = StartAsked | StopAsked | ExtendAsked | RestartAsked | CancelDelayAsked
Scheduled: TypeAlias = OccurrencesPlanned | OccurrencePut | OccurrenceSkipped
Event: TypeAlias = (
    Asked
    | Scheduled
    | Published
    | Unpublished
    | Polled
    | CommandSettled
    | Reported
    | RecordFailed
    | FileLeft
    | FileFailed
    | Remarked
    | StateImported
    | SettingsChanged
    | TimePassed
)

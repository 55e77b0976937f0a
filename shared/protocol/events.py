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
        """Return True if policy records the stream when it is published, without a request."""
        return self.rule.records_on_publish and not self.is_policy_suspended


class StartAsked(Struct, frozen=True):
    """A person wants the stream recorded: for `max_duration` ms, until the time `until`, or as long
    as the stage allows if both are None. An end less than a minute ahead is usually a mistake, and
    is refused unless `allow_short`."""

    who: str
    note: str = ""
    on_interruption: OnInterruption | None = None
    if_not_live: IfNotLive = IfNotLive.WAIT
    max_duration: int | None = None
    until: int | None = None
    allow_short: bool = False
    idempotency_key: IdempotencyKey | None = None


class StopAsked(Struct, frozen=True):
    """A person wants the stream not recorded. After the stop, a hold keeps policy from recording
    the stream again: for `hold` ms (None: as long as the stage's settings say), or, with
    `hold_session`, for the rest of the present session."""

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
    """The online list was read. `published` is the time of the stream's publish in the list; None
    if the list does not show the stream. `asked_at` is when the list was requested."""

    published: int | None
    asked_at: int


class Accepted(Struct, frozen=True):
    """Live answered 200."""

    request_id: str


class CommandSettled(Struct, frozen=True):
    """Live answered the command of the flight whose id is `flight`, or an error says that no answer
    came. `sent_at` is the earliest time at which the command may have left. If it is None, the time
    of the flight's slot counts."""

    flight: str
    answer: Accepted | LiveError
    sent_at: int | None = None


class Reported(Struct, frozen=True):
    """Live reports whether it records the stream (`recording`); `what` is the name of the report,
    such as `record_started`. `time` is since when this has been so, by Live's clock; None if Live
    gave no time. Whether Live gives one is UNCONFIRMED (docs/platform/live.md §4)."""

    what: str
    recording: bool
    time: int | None = None


class RecordFailed(Struct, frozen=True):
    """Live reports that it accepted a start, but then could not record. `time` is when, by Live's
    clock; None if Live gave no time."""

    code: str
    message: str
    time: int | None = None


class FileLeft(Struct, frozen=True):
    """Live reports that a recording left a file. The recording ran from `start` to `stop`; each is
    None if Live did not give it. `duration` is the length of the file in ms; None if Live did not
    give it. It need not equal `stop` - `start` (docs/platform/live.md §4)."""

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
    """A person takes over the stream's state from another stage: the intent and the session. Both
    use the session numbers of the other stage. `is_of_policy`: the policy of the other stage has
    already made an intent for `session`, so our policy makes none."""

    who: str
    intent: Intent
    session: Session | None = None
    is_of_policy: bool = False


class OccurrencesPlanned(Struct, frozen=True):
    """The occurrences of one schedule that are still to begin for this stream, as far ahead as is
    planned. They replace those that were planned before. `as_of`: when the schedule's calendar was
    read; None means now. `cancelled`: the ids of occurrences that a change of the schedule removed
    before they began. Such an occurrence may have begun nevertheless, because another instance did
    not know of the change yet; it then ends."""

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
    """Time passed, and nothing else happened. `may_query_online`: the caller may poll the online
    list. If not, a poll that is due stays due."""

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

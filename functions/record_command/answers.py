"""The answers of the API: one type for each, which defines both its JSON and its schema.

The other modules of this package build the answers. openapi derives the schemas from these types
alone, so that no answer can differ from its schema. Text for readers of the API is a `doc`, because
the deployed bytecode has no docstrings. Annotations stay text until openapi reads them, and so cost
a cold start nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct, UnsetType

from functions.answer_fields import Amount, Count, Time, doc
from functions.file_view import FileView
from functions.record_command.command_answers import (
    IntentView,
    ReasonView,
    StandingView,
)
from shared.protocol import Command, Phase, Reason
from shared.protocol.derived.standing import Liveness
from shared.protocol.policy import AlertSeverity, Mode
from shared.protocol.state.intent import Intent
from shared.protocol.state.session import Session, SessionState
from shared.schedule.rehearsal import RehearsalVerdict
from shared.schedule.schedule import Expect


class SpanView(Struct, frozen=True, forbid_unknown_fields=True):
    start: Time
    stop: Time
    ms: Count


class GapView(SpanView, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[ReasonView, doc("why nothing was recorded in this time")]


class AbsenceView(SpanView, frozen=True, forbid_unknown_fields=True):
    """An occurrence of a schedule of which nothing was recorded."""

    schedule: str
    occurrence: str
    reason: Annotated[
        ReasonView,
        doc("the stream was never live, a stop was in force, or the occurrence was missed"),
    ]


class FileCountsView(Struct, frozen=True, forbid_unknown_fields=True):
    """The files of a period, counted by the verdict of their verification."""

    reported: Annotated[
        Count, doc("files that Live reported; the sum of `verified`, `wrong` and `unverified`")
    ]
    verified: Annotated[Count, doc("files that are in the bucket, whole, and as long as reported")]
    wrong: Annotated[
        Count, doc("files that are missing, truncated, unplayable, or of another duration")
    ]
    unverified: Annotated[Count, doc("files that were not checked yet, or that no check can judge")]
    delivered: Annotated[Count, doc("files that were copied to another store")]
    undelivered: Annotated[
        Count,
        doc("files that are still to be copied to another store, or whose copy failed for good"),
    ]


class OccurrenceCoverageView(Struct, frozen=True, forbid_unknown_fields=True):
    """The coverage of one occurrence of a schedule."""

    schedule: str
    occurrence: str
    start: Time
    stop: Time
    due_ms: Annotated[Count, doc("how long the stream was wanted and live")]
    missing_ms: Annotated[Count, doc("the sum of the gaps")]
    ratio: Annotated[Amount, doc("the part of `due_ms` without gaps, 0 to 1")]
    coverage_target: Annotated[Amount, doc("the `ratio` that the schedule expects, in percent")]


class CoverageView(Struct, frozen=True, forbid_unknown_fields=True):
    """The coverage of one stream."""

    stream: str
    start: Time
    stop: Time
    due_ms: Annotated[Count, doc("how long the stream was wanted and live")]
    covered_ms: Annotated[Count, doc("how much of `due_ms` was recorded")]
    missing_ms: Annotated[Count, doc("the sum of the gaps")]
    start_latency_ms: Annotated[
        Count,
        doc(
            "how long the starts took in total, counting at most 5 s for each; gaps do not"
            " include this time"
        ),
    ]
    ratio: Annotated[
        Amount | None, doc("the part of `due_ms` without gaps, 0 to 1; `null`: nothing was due")
    ]
    live: Annotated[Sequence[SpanView], doc("one span for each publish")]
    recorded: Sequence[SpanView]
    gaps: Sequence[GapView]
    absences: Annotated[
        Sequence[AbsenceView],
        doc("occurrences of schedules of which nothing was recorded; they do not change `ratio`"),
    ]
    files: FileCountsView
    coverage_target: Annotated[
        Amount | None, doc("the target of the stream's rule, in percent; `null`: the rule has none")
    ] = None
    max_gap_ms: Annotated[
        Count | None,
        doc("the longest gap that the stream's rule accepts; `null`: the rule has no limit"),
    ] = None
    occurrences: Annotated[
        Sequence[OccurrenceCoverageView],
        doc(
            "the occurrences of schedules with a `coverage_target`; time that two of them"
            " share counts only for the earlier one. The rule's target applies to the rest of"
            " the time"
        ),
    ] = ()


class ReportView(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of coverage, ordered by stream name."""

    start: Time
    stop: Time
    streams: Sequence[CoverageView]
    next: Annotated[str | None, doc("the cursor of the next page; `null`: this is the last page")]


class SessionView(Struct, frozen=True, forbid_unknown_fields=True):
    number: Count
    state: SessionState
    time: Time | None
    publish_time: Time | None


class FlightView(Struct, frozen=True, forbid_unknown_fields=True):
    command: Command
    sent_at: Time


class PendingView(Struct, frozen=True, forbid_unknown_fields=True):
    command: Command
    since: Time
    not_before: Time
    attempts: Count


class LastAnswerView(Struct, frozen=True, forbid_unknown_fields=True):
    command: Command
    code: str
    reason: ReasonView
    request_id: str | None
    at: Time


class LastReportView(Struct, frozen=True, forbid_unknown_fields=True):
    recording: bool
    what: str
    at: Time


class ScheduledView(Struct, frozen=True, forbid_unknown_fields=True):
    schedule: str
    occurrence: str
    begun: Annotated[bool, doc("`true`: the occurrence is under way; `false`: it is to come")]
    barred: Annotated[
        bool,
        doc(
            "`true`: a stop holds; if it still holds when the occurrence begins, the"
            " occurrence is not recorded"
        ),
    ]
    starts_at: Annotated[Time, doc("as announced")]
    ends_at: Time
    until: Annotated[Time, doc("when the recording ends at the latest if the show runs over")]


class RecordingView(StandingView, frozen=True, forbid_unknown_fields=True):
    intent: Annotated[IntentView, doc("the desired state, and who asked for it")]
    session: Annotated[SessionView | None, doc("the last publish, with times by Live's clock")]
    schedules: Annotated[
        Sequence[ScheduledView],
        doc("occurrences that ask for a recording now, and those of the next 48 h"),
    ]
    held: Annotated[bool, doc("`true`: a hold keeps policy from starting a recording")]
    flight: Annotated[FlightView | None, doc("the command that may be on the wire now")]
    pending: Annotated[PendingView | None, doc("the command that is sent next")]
    last_answer: Annotated[LastAnswerView | None, doc("what Live last answered")]
    last_report: Annotated[
        LastReportView | None, doc("what Live last reported about the recording")
    ]


class HistoryLineView(Struct, frozen=True, forbid_unknown_fields=True):
    at: Time
    last_at: Time
    count: Annotated[
        Count,
        doc(
            "how many equal entries this line stands for; the first was at `at`, the last at"
            " `last_at`"
        ),
    ]
    code: Reason
    text: str
    about: Mapping[str, str | int]


class HistoryView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    history: Annotated[Sequence[HistoryLineView], doc("newest first")]


class LinkedFileView(FileView, frozen=True, forbid_unknown_fields=True):
    url: str | None


class FilesView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    files: Annotated[Sequence[LinkedFileView], doc("newest first")]
    signed: Annotated[
        str | None,
        doc(
            "the path that lists the same files with playback URLs; `null`: the stage names"
            " no bucket"
        ),
    ]


class PhaseCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """The number of streams in each phase. An unknown phase raises TypeError."""

    idle: Count
    waiting: Count
    queued: Count
    starting: Count
    recording: Count
    stopping: Count
    failed: Count
    unmanaged: Count


class UnreadableView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    reason: Annotated[str, doc("why this release cannot read the stream's record")]


class UnusableView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    reason: Annotated[str, doc("what is wrong with the name of the stream or its application")]
    since: Annotated[Time, doc("when the online list first showed such a stream of this domain")]


class RecordingsView(Struct, frozen=True, forbid_unknown_fields=True):
    recordings: Sequence[StandingView]
    unusable: Annotated[
        Sequence[UnusableView],
        doc(
            "live streams that a rule should record, and that cannot be recorded, because no"
            " command can contain their names; at most 50 of each domain, and only on the first"
            " page"
        ),
    ]
    unreadable: Annotated[
        Sequence[UnreadableView],
        doc(
            "streams whose record this release cannot read, because a later release wrote it"
            " or it is damaged. A stop of such a stream is still sent, and replaces the"
            " record"
        ),
    ]
    next: Annotated[str | None, doc("the cursor of the next page; `null`: this is the last page")]
    phases: Annotated[
        PhaseCounts,
        doc(
            "how many streams of the whole stage are in each phase; for a token that is"
            " bound to some streams, how many streams of this page"
        ),
    ]


class Severity(str, Enum):
    """How bad a row of the overview is. `critical`: the stream should be recorded and has not been
    for 20 s or longer, or its record cannot be read. `warning`: the stream is neither recorded nor
    at rest."""

    CRITICAL = "critical"
    WARNING = "warning"


class SeverityCounts(Struct, frozen=True, forbid_unknown_fields=True):
    critical: Annotated[
        Count,
        doc("streams that are wanted and live, and have not been recorded for 20 s or longer"),
    ]
    warning: Annotated[Count, doc("other streams that are neither recorded nor at rest")]
    recording: Count
    waiting: Count
    idle: Count


class OverviewRowView(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stream that is not as it should be. Fields that are null or unknown are left out."""

    stream: str
    severity: Severity
    phase: Phase | None = None
    since: Annotated[Time | None, doc("the beginning of its present phase")] = None
    lost_since: Annotated[Time | None, doc("when the loss of the recording began")] = None
    reason: ReasonView | None = None
    live: Liveness = Liveness.UNKNOWN
    next_attempt_at: Time | None = None
    until: Time | None = None
    unreadable: Annotated[
        bool, doc("`true`: this release cannot read the stream's record; a stop is still sent")
    ] = False


class OverviewProblemView(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, doc("as in `GET /v1/health`")]
    text: str
    fix: str
    stops_commands: bool


class OverviewQueueView(Struct, frozen=True, forbid_unknown_fields=True):
    due: Annotated[Count, doc("streams for which a command or a check is due now")]
    oldest_at: Annotated[Time | None, doc("when the first of them became due; `null`: none is due")]


class OverviewAlertsView(Struct, frozen=True, forbid_unknown_fields=True):
    """How many alerts are open; `GET /v1/alerts` lists the alerts."""

    open: Count
    unacknowledged: Annotated[Count, doc("open alerts that nobody has acknowledged")]


class SuspensionView(Struct, frozen=True, forbid_unknown_fields=True):
    """The suspension of the policy's rules: when it ends, who asked for it, and why. Until then no
    rule starts a recording."""

    until: Time
    who: str
    note: str


class OverviewCallerView(Struct, frozen=True, forbid_unknown_fields=True):
    """The name of the caller's token, and what the token allows."""

    name: str
    scopes: Sequence[str]
    streams: Annotated[
        Sequence[str], doc("globs of the streams that it is bound to; empty: all streams")
    ]


class OverviewView(Struct, frozen=True, forbid_unknown_fields=True):
    """The streams that are not as they should be, and counts of the rest."""

    version: Annotated[
        str,
        doc(
            "the version of this answer, which is also its `ETag`; it stays the same while"
            " only ages change"
        ),
    ]
    at: Annotated[Time, doc("the time of this answer, by the store's clock")]
    stage: str
    mode: Mode
    caller: OverviewCallerView
    severities: SeverityCounts
    complete: Annotated[
        bool,
        doc(
            "`false`: the token is bound to more streams than were counted, so each count"
            " is a minimum"
        ),
    ]
    rows: Annotated[
        Sequence[OverviewRowView],
        doc(
            "streams that are wanted and live but not recorded, those lost longest"
            " first; then streams that failed, wait, start, are unmanaged or stop. At"
            " most 200 rows, and 80,000 bytes"
        ),
    ]
    more: Annotated[Count, doc("streams whose row was left out")]
    phases: Annotated[
        PhaseCounts,
        doc(
            "the number of streams in each phase; for a token that is bound to some streams,"
            " only of these"
        ),
    ]
    problems: Annotated[
        Sequence[OverviewProblemView], doc("problems of the stage, as in `GET /v1/health`")
    ]
    alerts: Annotated[
        OverviewAlertsView | None, doc("`null` for a token that is bound to some streams")
    ]
    suspended: Annotated[
        SuspensionView | None,
        doc("until when no rule starts a recording, and why; `null`: the rules are in force"),
    ]
    queue: OverviewQueueView
    reconciled_at: Annotated[
        Time | None, doc("when `reconcile` last began to send what was due; `null`: never")
    ]
    heartbeat_at: Annotated[
        Time | None, doc("when the monitor last answered a heartbeat; `null`: never")
    ]


class DeliveryState(str, Enum):
    OPEN = "open"
    DEAD = "dead"


class DeliveryView(Struct, frozen=True, forbid_unknown_fields=True):
    """A task that follows from a recording: to verify a file, copy it, or send an event or a
    message."""

    id: str
    kind: Annotated[
        str,
        doc(
            "`verify_file`: check a file; `deliver_file`: copy a file to another store;"
            " `event`: hand a change to the webhook receivers of the policy; `webhook`:"
            " send the change to one receiver; `message`: send a message to a chat robot"
        ),
    ]
    receiver: Annotated[
        str, doc("if `kind` is `webhook`, the receiver's name in the policy; else empty")
    ]
    stream: Annotated[str, doc("empty: the task concerns the whole stage")]
    state: Annotated[
        DeliveryState,
        doc(
            "`open`: the task is still to be done, and is retried automatically; `dead`: it"
            " failed for good"
        ),
    ]
    made_at: Time
    at: Annotated[
        Time,
        doc("when the task is tried next; if it is dead, when it failed for good"),
    ]
    attempts: Annotated[Count, doc("how often the task was tried")]
    why: Annotated[str, doc("why the last attempt failed; empty: none has failed")]


class DeliveriesView(Struct, frozen=True, forbid_unknown_fields=True):
    deliveries: Sequence[DeliveryView]
    next: Annotated[str | None, doc("the cursor of the next page; `null`: this is the last page")]


class RedrivenView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    state: DeliveryState


class AlertState(str, Enum):
    OPEN = "open"
    RESOLVED = "resolved"


class AlertView(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition that holds, or that ended within the last day."""

    id: Annotated[str, doc("the id of the alert; the same each time that the condition returns")]
    condition: Annotated[str, doc("the code of the condition, as in docs/notify.md")]
    severity: AlertSeverity
    subject: Annotated[str, doc("the stream, application or function; empty: the stage as a whole")]
    name: Annotated[str, doc("the condition in words")]
    text: Annotated[str, doc("what is wrong, as `why` says it")]
    fix: str
    since: Annotated[Time, doc("the time since which the condition holds")]
    raised_at: Annotated[Time, doc("when the alert was raised")]
    resolved_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: Annotated[str | None, doc("the name of the token that acknowledged the alert")]
    note: Annotated[str, doc("the note of the person who acknowledged it")]
    messages: Annotated[Count, doc("how often this alert was sent to robots")]


class SinkView(Struct, frozen=True, forbid_unknown_fields=True):
    """A chat robot that the policy names, and its last answer. The fields of the answer are null
    before the first message."""

    name: str
    asked_at: Time | None
    is_taken: bool | None
    answer: str | None


class AlertsView(Struct, frozen=True, forbid_unknown_fields=True):
    alerts: Sequence[AlertView]
    beyond: Annotated[
        Mapping[str, int], doc("by condition, how many more alerts are open than are listed")
    ]
    evaluated_ms_ago: Annotated[
        int | None,
        doc("how long ago the function `notify` last checked the conditions; `null`: never"),
    ]
    sinks: Sequence[SinkView]


class TestedSinksView(Struct, frozen=True, forbid_unknown_fields=True):
    """The test messages that were requested. The robots' answers appear in GET /v1/alerts within a
    minute or two."""

    asked_at: Time
    sinks: Sequence[str]


class WebhookTestView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    at: Time
    is_taken: bool
    status: Annotated[int | None, doc("the HTTP status of the answer; `null`: no answer came")]
    why: Annotated[str, doc("why the test failed; empty: it succeeded")]
    took_ms: Count


class WebhookView(Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook receiver of the policy. Path and query of its URL are left out, because they may be
    secret."""

    name: str
    address: Annotated[str, doc("scheme and host")]
    events: Sequence[str]
    streams: Annotated[str, doc("`domain/app/stream`, with wildcards")]
    state: Annotated[
        str,
        doc(
            "`active`; `failing`: its last attempts failed; `paused`: it has accepted nothing"
            " for five days; `ended`: it answered 410"
        ),
    ]
    since: Annotated[
        Time | None, doc("when the receiver ceased to be active; `null`: it is active")
    ]
    why: str
    test: Annotated[
        WebhookTestView | None, doc("the latest test of the receiver; `null`: it was never tested")
    ]


class WebhooksView(Struct, frozen=True, forbid_unknown_fields=True):
    webhooks: Sequence[WebhookView]


class TestedWebhookView(Struct, frozen=True, forbid_unknown_fields=True):
    receiver: str
    id: Annotated[
        str, doc("the id of the test event; `GET /v1/webhooks` shows the receiver's answer")
    ]


class PolicyView(Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[Count, doc("the version of this policy; 0 is the packaged one")]
    newest: Annotated[
        Count,
        doc(
            "the newest version, to send as `replaces` with a new policy; it is above"
            " `version` if this release cannot read the newest policy"
        ),
    ]
    policy: Annotated[Mapping[str, Any], doc("the fields of `policy.toml`")]


class TokenView(Struct, frozen=True, forbid_unknown_fields=True):
    """A token in the list of tokens, without its secret."""

    name: str
    scopes: Sequence[str]
    streams: Annotated[
        Sequence[str], doc("globs of the streams that it is bound to; empty: all streams")
    ]
    until: Annotated[Time | None, doc("when the token ends; `null`: it does not end")]
    kept_in: Literal["environment", "store"]
    made_by: Annotated[
        str | None,
        doc(
            "the name of the token that added this one; `null` if it is set in the"
            " environment variable"
        ),
    ]
    made_at: Time | None


class TokensView(Struct, frozen=True, forbid_unknown_fields=True):
    tokens: Annotated[
        Sequence[TokenView],
        doc("first the tokens of the environment variable, then those of the store, by name"),
    ]
    unreadable: Annotated[
        Sequence[str], doc("names of tokens that this release cannot read, and so refuses")
    ]


class TokenRevokedView(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class StoreAcceptedView(Struct, frozen=True, forbid_unknown_fields=True):
    store_id: Annotated[str, doc("the id of this stage, which the store has now")]


class StreamState(Struct, frozen=True, omit_defaults=True):
    """The state of a stream, for another stage. A field that this release does not know is ignored,
    because a later release may have written it."""

    domain: Annotated[str, doc("the main streaming domain")]
    app: str
    stream: str
    intent: Annotated[
        Intent, doc("the desired state, and who asked for it; times in ms since the epoch")
    ]
    session: Annotated[
        Session | None,
        doc(
            "the last publish; its `number` shows which publish a session number in `intent` means"
        ),
    ] = None
    is_of_policy: Annotated[
        bool, doc("`true`: policy has already made its intent for the last publish")
    ] = False
    stop_unsent: Annotated[
        bool,
        doc(
            "`true`: Live has not answered a stop yet, so send a stop again in the stage"
            " that imports this"
        ),
    ] = False


class StateView(Struct, frozen=True, forbid_unknown_fields=True):
    streams: Sequence[StreamState]
    next: Annotated[str | None, doc("the cursor of the next page; `null`: this is the last page")]


class NotImportedView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    detail: str


class StateImportView(Struct, frozen=True, forbid_unknown_fields=True):
    imported: Count
    kept: Annotated[
        Count,
        doc(
            "how many streams were left unchanged, because this stage's own state is as"
            " new or newer"
        ),
    ]
    refused: Sequence[NotImportedView]


class RateLimitView(Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Amount, doc("commands a second that the rate limit allows")]
    used: Annotated[Amount, doc("commands a second, on average over the last minute")]
    ahead_ms: Annotated[Count, doc("how long a new command waits for the next free slot")]


class StageProblemView(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, doc("for programs; docs/errors.md lists all codes")]
    text: Annotated[str, doc("the code in words")]
    fix: Annotated[str, doc("what to do about it")]
    age_ms: Annotated[Count | None, doc("how long the problem has lasted; `null`: not known")]
    stops_commands: Annotated[
        bool, doc("`true`: while the problem lasts, the stage is not ready, and the status is 503")
    ]


class StoreSizeView(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the store's space is used."""

    used_bytes: Count
    limit_bytes: Annotated[Count | None, doc("`null`: the engine has no limit, or does not say")]
    full_in_ms: Annotated[
        Count | None,
        doc(
            "when the store will be full if it grows as in the last days; `null`: it does"
            " not grow, or its growth was not observed for a day yet"
        ),
    ]


class NotRecordedView(Struct, frozen=True, forbid_unknown_fields=True):
    """Streams that are wanted and live, and have not been recorded for 20 s."""

    count: Count
    oldest_ms: Annotated[Count, doc("for how long the first of them has not been recorded")]
    reason: Annotated[ReasonView, doc("the commonest cause")]
    unknown: Annotated[
        Count,
        doc(
            "how many of them may be recorded all the same, because Live's answer to a start was"
            " lost or unclear"
        ),
    ]


class OutboxView(Struct, frozen=True, forbid_unknown_fields=True):
    """How many tasks that follow from recordings wait or have failed. GET /v1/deliveries lists
    them."""

    open: Annotated[Count, doc("tasks still to be done")]
    oldest_ms: Annotated[Count, doc("how long the oldest open task has been due")]
    dead: Annotated[Count, doc("tasks that failed for good")]
    dropped: Annotated[
        Count, doc("tasks for which the store had no room, since the store was made")
    ]


class HealthView(Struct, frozen=True, forbid_unknown_fields=True):
    """The health of the stage. If the store does not answer, only `status`, `ready`, `why`,
    `problems` and `store` are present."""

    status: Annotated[
        Literal["ready", "degraded", "not_ready"],
        doc(
            "`degraded`: commands can be sent, but some streams that are wanted and live are not"
            " recorded or possibly not recorded, or some streams cannot be handled, or some"
            " schedules cannot be planned, or the policy names receivers that the settings lack"
        ),
    ]
    ready: Annotated[bool, doc("`true`: a command could be sent now")]
    why: Annotated[
        Sequence[str], doc("the texts of the problems that keep the stage from being ready")
    ]
    problems: Annotated[
        Sequence[StageProblemView],
        doc("all problems, including those with which the stage is ready"),
    ]
    store: Annotated[
        Literal["ok", "unwritable", "unavailable"],
        doc("`unwritable`: the store answers, but accepts no writes"),
    ]
    store_size: Annotated[
        StoreSizeView | UnsetType | None, doc("`null`: the store's user may not ask the engine")
    ] = UNSET
    written_ms_ago: Annotated[
        Count | UnsetType,
        doc("how long ago this instance last wrote to the store, which it tries every 5 s"),
    ] = UNSET
    reconciled_ms_ago: Count | UnsetType | None = UNSET
    due: Annotated[Count | UnsetType, doc("streams for which a command or a check is due now")] = (
        UNSET
    )
    oldest_due_ms: Count | UnsetType = UNSET
    rate_limit: Annotated[RateLimitView | UnsetType, doc("commands a second")] = UNSET
    quarantined: Annotated[
        Count | UnsetType,
        doc("streams whose handling crashes, or whose record cannot be read"),
    ] = UNSET
    not_recorded: Annotated[
        NotRecordedView | UnsetType | None,
        doc("streams that are wanted and live and not recorded; `null`: none"),
    ] = UNSET
    outbox: OutboxView | UnsetType = UNSET
    relay_lost_ms_ago: Annotated[
        Count | UnsetType | None,
        doc(
            "how long ago a callback last failed to reach the previous receiver, even"
            " if a retry succeeded; `null`: never. Accurate to a minute"
        ),
    ] = UNSET
    heartbeat_ms_ago: Annotated[
        Count | UnsetType | None,
        doc("how long ago the monitor last answered a heartbeat; `null`: never"),
    ] = UNSET
    heartbeat_lost_ms_ago: Annotated[
        Count | UnsetType | None, doc("how long ago a heartbeat was last lost; `null`: never")
    ] = UNSET
    phases: Annotated[
        PhaseCounts | UnsetType,
        doc("how many streams of the stage are in each phase"),
    ] = UNSET


class SettingsView(Struct, frozen=True, forbid_unknown_fields=True):
    callback_host: Annotated[
        str, doc("the host of the callback URLs that `live-record setup` gives to Live")
    ]
    callback_hosts: Annotated[
        list[str], doc("all hosts of callback URLs; `callback_host` is the first")
    ]
    merge_delay_ms: Count
    signature_window_ms: Annotated[Count, doc("how old a callback's signature may be")]
    max_duration_ms: Count
    max_concurrent: Count | None
    rate: Amount
    clock_offset_ms: Annotated[
        int, doc("how far the development clock is ahead; 0 without such a clock")
    ]
    on_demand_default: bool
    wakes: bool
    relays: bool
    signs_files: bool
    bucket: Annotated[str, doc("the bucket whose files are signed and verified; empty: none")]
    stream_keys: Count
    record_keys: Count
    path_tokens: Count


class MatchesView(Struct, frozen=True, forbid_unknown_fields=True):
    stream_key: bool | None
    record_key: bool | None
    path_token: bool | None
    path_token_kind: Annotated[
        Literal["stream", "record", "on-demand", "all"] | None,
        doc(
            "the kind of callback for which the path token is valid; `all`: it is the"
            " secret itself, which release 0.2 wrote into each URL"
        ),
    ]


class StoreView(Struct, frozen=True, forbid_unknown_fields=True):
    engine: str
    settings: Annotated[Mapping[str, str], doc("the engine's settings, under its own names")]
    writable: bool
    why: Annotated[str, doc("why the store cannot be written to; empty: it can")]
    missing: Annotated[Sequence[str], doc("commands that the store needs and its user may not run")]
    expected_id: Annotated[
        str, doc("the id that the deploy gave this stage; empty: none, so the id is not checked")
    ]
    found_id: Annotated[
        str, doc("the id that the store has; empty: none, because the store is new or was emptied")
    ]


class PolicyInForceView(Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[Count, doc("0 is the packaged one")]
    fault: Annotated[
        str,
        doc("why the store's newest policy, or a part of it, is not in force; empty: all of it is"),
    ]


class DomainView(Struct, frozen=True, forbid_unknown_fields=True):
    domain: str
    online: Count | None
    code: Annotated[
        str | None,
        doc(
            "Live's error code; `AskedJustNow`: Live was not asked, because another request"
            " has just asked it; `null`: Live answered, or there was no time to ask it"
        ),
    ]


class DoctorView(Struct, frozen=True, forbid_unknown_fields=True):
    stage: str
    mode: Mode
    now: Time
    settings: Annotated[SettingsView, doc("the settings in force; secrets are only counted")]
    matches: Annotated[
        MatchesView,
        doc(
            "whether one of the stage's secrets has the digest of the request; `null`:"
            " the request has none"
        ),
    ]
    store: StoreView
    policy: PolicyInForceView
    live: Annotated[
        Sequence[DomainView], doc("what Live answers the function's own role about each domain")
    ]


class OccurrenceView(Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, doc("the schedule's id and the local time of its start")]
    starts_at: Annotated[Time, doc("as announced")]
    begins_at: Annotated[Time, doc("when the recording begins, `pre_roll` earlier")]
    ends_at: Annotated[Time, doc("the announced end plus `post_roll`")]
    until: Annotated[Time, doc("when the recording ends at the latest if the show runs over")]


class StartsView(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the rate limit needs to send the starts of the next occurrence."""

    at: Annotated[Time, doc("when the recordings begin")]
    starts: Annotated[
        Count, doc("the starts of this schedule, and of all others that begin in that minute")
    ]
    take_s: Annotated[Amount, doc("seconds until the last of them is sent")]
    text: Annotated[str, doc("the same numbers in words")]


class KnownStreamsView(Struct, frozen=True, forbid_unknown_fields=True):
    """The streams of which the stage has a record and that fit a pattern of the schedule: their
    number, and the first names."""

    count: Annotated[Count, doc("how many known streams fit the patterns, 500 at most")]
    streams: Annotated[Sequence[str], doc("the names of the first 20 of them")]


class ScheduleView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    title: str
    streams: Annotated[Sequence[str], doc("each as `domain/app/stream`, or all as patterns")]
    start: Annotated[str, doc("local time of the first occurrence")]
    end: Annotated[str, doc("local time at which the first occurrence ends")]
    timezone: str
    rrule: str
    exdates: Sequence[str]
    pre_roll: str
    post_roll: str
    overrun: str
    rehearsed_within: Annotated[
        str, doc("how old the last GO of a rehearsal may be when an occurrence begins")
    ]
    late_after: Annotated[str, doc("how long a stream may be offline before an alert is raised")]
    expect: Annotated[Expect, doc("which of its streams must be live: `all`, or `any` one of them")]
    coverage_target: Annotated[
        Amount | None,
        doc(
            "how much of an occurrence's live time must be recorded, in percent; `null`:"
            " the target of the stream's rule"
        ),
    ]
    paused: bool
    paused_by: Annotated[str, doc('the token that paused it; `""` if it is not paused')]
    pause_note: Annotated[str, doc("the note with which it was paused")]
    made_by: str
    made_at: Time
    next: Annotated[
        Sequence[OccurrenceView],
        doc(
            "the occurrences under way or to come; in a list of schedules, only the"
            " first; empty if the schedule is paused"
        ),
    ]
    load: Annotated[
        StartsView | None,
        doc(
            "how long the starts of the next occurrence take; `null`: none is to come, or"
            " this is a list of schedules"
        ),
    ]
    known: Annotated[
        KnownStreamsView | None,
        doc(
            "the known streams that fit; `null`: the schedule has no patterns, or this is"
            " a list of schedules"
        ),
    ] = None


class RehearsalView(Struct, frozen=True, forbid_unknown_fields=True):
    """A rehearsal of an application. `cause` and `fix` belong to a NO-GO; they are in the language
    of the person who rehearsed."""

    at: Time
    verdict: RehearsalVerdict
    who: str
    stream: Annotated[str, doc("the throw-away stream")]
    cause: str
    fix: str


class LastRehearsalView(Struct, frozen=True, forbid_unknown_fields=True):
    rehearsal: Annotated[
        RehearsalView | None,
        doc("`null`: the application was not rehearsed since the store was made"),
    ]


class SchedulesView(Struct, frozen=True, forbid_unknown_fields=True):
    schedules: Sequence[ScheduleView]
    unreadable: Annotated[
        Sequence[str],
        doc(
            "ids of schedules that this release cannot read, and so does not plan. A token that is"
            " bound to some streams sees none of them"
        ),
    ]


class OccurrencesView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    timezone: str
    next: Sequence[OccurrenceView]


class OccurrenceChangedView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    timezone: str
    occurrence: OccurrenceView
    streams: Annotated[
        Count,
        doc("how many streams the schedule has; with patterns, how many live streams fit them"),
    ]
    changed: Annotated[Count, doc("how many of them were changed")]
    pending: Annotated[
        Count, doc("with patterns, how many the timer's next run changes, within a minute")
    ]


class ScheduleDeletedView(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class DocumentView(Struct, frozen=True, forbid_unknown_fields=True):
    openapi: str
    info: Mapping[str, Any]
    servers: Sequence[Mapping[str, Any]]
    paths: Mapping[str, Any]
    webhooks: Mapping[str, Any]
    components: Mapping[str, Any]

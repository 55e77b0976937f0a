"""The policy: the domains, and the rules for what happens automatically. If several rules match a
stream, the first one counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import TypeGuard

from msgspec import Struct, field

from shared.protocol.object_prefix import DEFAULT_PREFIX, is_named_by, owner_by
from shared.protocol.stream import StreamKey

MAX_PERCENT = 100
MAX_GLOBS_NUMBER = 16_384
"""Globs that a process keeps compiled: more than a policy and all schedules have. `fnmatch` keeps
256 of them in Python 3.10, and would compile each one again for each callback if there are more."""


def is_percentage(value: object) -> TypeGuard[int | float]:
    """Return True if the value may be a `coverage_target`: a number from 0 to 100."""
    is_number = not isinstance(value, bool)
    return is_number and isinstance(value, int | float) and 0 <= value <= MAX_PERCENT


@lru_cache(MAX_GLOBS_NUMBER)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def _fits(name: str, glob: str) -> bool:
    return _compiled(glob).match(name) is not None


class Mode(str, Enum):
    """Whether the stage acts. `ACT`: it sends commands. `OBSERVE`: it receives, decides and logs
    everything, but sends no command."""

    ACT = "act"
    OBSERVE = "observe"


class OnPublish(str, Enum):
    """What happens when a stream of the rule is published. `RECORD`: the stream is recorded.
    `IGNORE` and `ON_REQUEST`: the stream is recorded only if somebody asks. For the streams of an
    `ON_REQUEST` rule, `live-record setup` adds a recording configuration, and doctor reports if
    there is none."""

    RECORD = "record"
    ON_REQUEST = "on_request"
    IGNORE = "ignore"


class OnInterruption(str, Enum):
    """What becomes of an intent when its stream goes away. `RESUME`: the intent stays, and the
    stream is recorded again when it comes back. `STOP`: the intent ends. `FINALIZE`: the intent
    ends, and Live writes the file at once."""

    RESUME = "resume"
    STOP = "stop"
    FINALIZE = "finalize"


class NamedBucket(Struct, frozen=True):
    """The bucket for recordings of the applications that match the glob `app`."""

    name: str
    endpoint: str
    app: str = "*"


class Domain(Struct, frozen=True):
    """One main streaming domain, with its ingest and sub-streaming domains. `object_prefix` has the
    templates of object names in its recording configurations. `bucket` has the buckets of its
    applications, if the recordings are not in the stage's bucket."""

    streaming: str
    ingest: tuple[str, ...] = ()
    sub: tuple[str, ...] = ()
    object_prefix: tuple[str, ...] = (DEFAULT_PREFIX,)
    bucket: tuple[NamedBucket, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.streaming, *self.ingest, *self.sub)


class Match(Struct, frozen=True):
    """Globs for streams. A domain is compared in lower case, application and stream exactly."""

    domain: str = "*"
    app: str = "*"
    stream: str = "*"

    @property
    def pattern(self) -> StreamKey:
        """Return the globs in the form of a stream's key."""
        return StreamKey(self.domain, self.app, self.stream)

    def holds(self, key: StreamKey) -> bool:
        return (
            self.is_of(key.domain) and _fits(key.app, self.app) and _fits(key.stream, self.stream)
        )

    def covers(self, key: StreamKey) -> bool:
        """Return True if the globs match the stream. If `key` is a pattern, return True if they
        surely match every stream that the pattern stands for; if that would take long to find,
        return False."""
        if not key.is_pattern:
            return self.holds(key)
        start = self.stream.removesuffix("*")
        begins_so = not set("*?[") & set(start) and key.stream.startswith(start)
        is_wider = self.stream == key.stream or (self.stream.endswith("*") and begins_so)
        return is_wider and self.is_of(key.domain) and _fits(key.app, self.app)

    def is_of(self, domain: str) -> bool:
        """Return True if the globs may match streams of the domain."""
        return _fits(domain.lower(), self.domain.lower())

    def __str__(self) -> str:
        return f"{self.domain}/{self.app}/{self.stream}"


class Rule(Struct, frozen=True):
    """What to do automatically with the streams that match. `max_duration` is in ms; if it is None,
    the stage's limit applies. If quota or slots are short, streams with a higher `priority` go
    first.

    `coverage_target` is the percentage of the time due (wanted and live) that must be recorded.
    `max_gap` is the longest acceptable gap in ms. If either is None, the reader of the coverage
    report decides.
    """

    match: Match = field(default_factory=Match)
    on_publish: OnPublish = OnPublish.IGNORE
    on_interruption: OnInterruption = OnInterruption.RESUME
    max_duration: int | None = None
    max_concurrent: int | None = None
    priority: int = 0
    coverage_target: float | None = None
    max_gap: int | None = None

    @property
    def name(self) -> str:
        """Return a name that is unique in a policy and the same in every release, because quotas
        are counted by it."""
        return str(self.match)

    @property
    def records_on_publish(self) -> bool:
        return self.on_publish is OnPublish.RECORD

    @property
    def may_record(self) -> bool:
        """Return True if the rule's streams may be recorded, on a publish or on request. Setup then
        makes a recording configuration for them, and doctor checks it."""
        return self.on_publish is not OnPublish.IGNORE


class ForwardTo(Struct, frozen=True):
    """The URLs of the previous receivers of Live's callbacks, by kind of callback; "" if there was
    none."""

    stream: str = ""
    record: str = ""
    on_demand: str = ""

    def of(self, kind: str) -> str:
        return {"stream": self.stream, "record": self.record, "on_demand": self.on_demand}[kind]


class AlertSeverity(str, Enum):
    """How serious a condition is, from `INFO` to `CRITICAL`. If it is `CRITICAL`, a recording is
    being lost, or may be."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    def is_at_least(self, least: AlertSeverity) -> bool:
        order = list(AlertSeverity)
        return order.index(self) >= order.index(least)


class ConditionCode(str, Enum):
    """A lasting fault that an alert can report; the catalogue has the texts under `conditions`."""

    NOT_RECORDED = "not_recorded"
    NAMES_UNUSABLE = "names_unusable"
    NOT_STOPPED = "not_stopped"
    UNCONFIRMED = "unconfirmed"
    FILE_UNVERIFIED = "file_unverified"
    SCHEDULED_NOT_LIVE = "scheduled_not_live"
    OCCURRENCE_MISSED = "occurrence_missed"
    OCCURRENCE_HELD = "occurrence_held"
    NOT_REHEARSED = "not_rehearsed"
    SCHEDULES_UNPLANNED = "schedules_unplanned"
    UNMANAGED = "unmanaged"
    QUEUE_LATE = "queue_late"
    CALLBACKS_SILENT = "callbacks_silent"
    TIMER_SILENT = "timer_silent"
    STORE_FULL = "store_full"
    STORE_NEARLY_FULL = "store_nearly_full"
    STORE_EMPTIED = "store_emptied"
    WEBHOOK_CLOSED = "webhook_closed"
    RECEIVERS_UNSET = "receivers_unset"
    COPIES_FAIL = "copies_fail"
    TASKS_LATE = "tasks_late"
    TASKS_DEAD = "tasks_dead"
    TASKS_DROPPED = "tasks_dropped"


class QuietHours(Struct, frozen=True):
    """A time of day, from the minute `first` until just before the minute `end`. Minutes count from
    midnight, by a clock `offset_min` minutes ahead of UTC. If `end` is less than `first`, the time
    lasts past midnight."""

    first: int
    end: int
    offset_min: int

    def covers(self, now_ms: int) -> bool:
        minute = (now_ms // 60_000 + self.offset_min) % (24 * 60)
        if self.first <= self.end:
            return self.first <= minute < self.end
        return minute >= self.first or minute < self.end

    def __str__(self) -> str:
        """Return the text as in a policy file, such as "23:00-07:00 +08:00"."""
        first, end = (f"{at // 60:02d}:{at % 60:02d}" for at in (self.first, self.end))
        ahead = abs(self.offset_min)
        sign = "-" if self.offset_min < 0 else "+"
        return f"{first}-{end} {sign}{ahead // 60:02d}:{ahead % 60:02d}"


class NotifyRule(Struct, frozen=True):
    """Which alerts go to which robot (a bot in a group chat). `sink` is the name of the robot; its
    address is only in the environment.

    The rule reports alerts that match, are at least as serious as `severity`, and have lasted for
    `after` ms. It repeats them every `repeat` ms (None: never) until somebody acknowledges them. If
    `condition` is one exact code, `severity` does not count. In `quiet_hours`, the rule reports
    only critical alerts.
    """

    sink: str
    match: Match = field(default_factory=Match)
    condition: str = "*"
    severity: AlertSeverity = AlertSeverity.WARNING
    after: int = 0
    repeat: int | None = None
    quiet_hours: QuietHours | None = None
    language: str = "en"

    @property
    def name(self) -> str:
        """Return a name that is the same in every release, because notices are stored under it."""
        parts = (self.sink, self.condition, self.match, self.severity.value, self.after)
        return " ".join(map(str, parts))


class Webhook(Struct, frozen=True):
    """A receiver of live-record's events. `events` are globs for the types of events that it gets,
    and `match` says of which streams. `secrets` are the names of the secrets that sign each
    request; their values are in the environment. With an old and a new secret, each request has
    both signatures until the receiver knows the new one."""

    name: str
    url: str
    events: tuple[str, ...] = ("*",)
    match: Match = field(default_factory=Match)
    secrets: tuple[str, ...] = ()


class CopyRule(Struct, frozen=True):
    """Where to copy the verified files of the streams that match: to `bucket`, under `prefix`, of
    an S3-compatible store. `credentials` names an access key in the environment. `name` is the
    template for the names of the copies. `formats` are the formats to copy; if it is empty, all
    COPIED_FORMATS are copied. Playlists are copied only if `name` ends with {uri}. `path_style`:
    the bucket is in the URL's path, not in its host."""

    match: Match
    bucket: str
    endpoint: str
    credentials: str
    prefix: str = ""
    region: str = ""
    name: str = "{uri}"
    formats: tuple[str, ...] = ()
    path_style: bool = False

    @property
    def target(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def keeps_folders(self) -> bool:
        """Return True if the name of each copy ends with the whole name of the object, folders
        included. A copied playlist then finds its copied segments."""
        return self.name.endswith("{uri}")

    def takes(self, key: StreamKey, uri: str) -> bool:
        ending = uri.rpartition(".")[2].lower()
        may_be = self.keeps_folders or ending != "m3u8"
        return may_be and ending in (self.formats or COPIED_FORMATS) and self.match.holds(key)

    def key_of(self, key: StreamKey, uri: str) -> str:
        """Return the name that the copy of the stream's file `uri` gets in the target's bucket."""
        values = {"domain": key.domain, "app": key.app, "stream": key.stream}
        values |= {"uri": uri, "file": uri.rpartition("/")[2]}
        name = re.sub(_PLACE, lambda found: values[found[1]], self.name)
        return f"{self.prefix}/{name}" if self.prefix else name


class Suspension(Struct, frozen=True):
    """A time in which no rule starts a recording. It lasts until `until`, in ms since the epoch;
    `who` asked for it, and `note` says why."""

    until: int
    who: str = ""
    note: str = ""


COPIED_FORMATS = ("mp4", "flv", "m3u8")
NAME_PARTS = ("domain", "app", "stream", "uri", "file")
"""What a template of names may contain, in braces."""
_PLACE = rf"{{({'|'.join(NAME_PARTS)})}}"
NO_RULE = Rule()
"""The rule of a stream that no rule of the policy matches. It records nothing."""


class Policy(Struct, frozen=True):
    domains: tuple[Domain, ...] = ()
    rules: tuple[Rule, ...] = ()
    mode: Mode = Mode.ACT
    forward_to: ForwardTo = field(default_factory=ForwardTo)
    notify: tuple[NotifyRule, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    suspended: Suspension | None = None

    def is_suspended(self, now: int) -> bool:
        """Return True if no rule starts a recording at `now`. Running recordings go on."""
        return self.suspended is not None and now < self.suspended.until

    def event_globs(self, key: StreamKey) -> tuple[str, ...]:
        """Return the globs of the event types that webhook receivers want for this stream."""
        wanted = (hook.events for hook in self.webhooks if hook.match.holds(key))
        return tuple(dict.fromkeys(glob for globs in wanted for glob in globs))

    def webhook(self, name: str) -> Webhook | None:
        return next((hook for hook in self.webhooks if hook.name == name), None)

    deliver: tuple[CopyRule, ...] = ()

    def delivery(self, key: StreamKey, uri: str) -> CopyRule | None:
        """Return the first [[deliver]] rule that copies this file of the stream; None if none
        does."""
        return next((each for each in self.deliver if each.takes(key, uri)), None)

    def rule(self, key: StreamKey) -> Rule:
        return next((rule for rule in self.rules if rule.match.holds(key)), NO_RULE)

    def names_object(self, key: StreamKey, uri: str) -> bool:
        """Return True if a recording of this stream may have left the object `uri`."""
        return any(
            is_named_by(template, key.app, key.stream, uri)
            for template in self._object_prefixes(key.domain)
        )

    def bucket_of(self, domain: str, app: str) -> NamedBucket | None:
        """Return the bucket that the policy names for the application; None if its recordings are
        in the stage's own bucket."""
        named = (one.bucket for one in self.domains if one.streaming == domain)
        buckets = next(named, ())
        return next((bucket for bucket in buckets if _fits(app, bucket.app)), None)

    def object_owners(self, uri: str) -> Iterator[StreamKey]:
        """Yield each stream whose recording may have left the object `uri`. If the name does not
        show the application or the stream, this part of the key is "", which stands for any."""
        for domain in self.domains:
            for template in domain.object_prefix:
                owner = owner_by(template, uri)
                if owner is not None:
                    yield StreamKey(domain.streaming, *owner)

    def _object_prefixes(self, streaming: str) -> tuple[str, ...]:
        found = (domain for domain in self.domains if domain.streaming == streaming)
        return next((domain.object_prefix for domain in found), ())

    def streaming(self, domain: str) -> str | None:
        """Return the main streaming domain to which `domain` belongs; None if the policy does not
        have `domain`. An ingest or sub-streaming domain belongs to one, and a main domain to
        itself."""
        wanted = domain.lower()
        for candidate in self.domains:
            if wanted in (name.lower() for name in candidate.names):
                return candidate.streaming
        return None

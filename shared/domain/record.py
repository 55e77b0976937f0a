"""What is kept about one stream. All times are milliseconds since the epoch, by the store's clock;
only a session's two times are Live's own."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from shared.domain.because import Code
from shared.domain.policy import OnInterruption
from shared.domain.stream import Command, StreamKey
from shared.quick import dataclass

DOUBT = 60_000
"""How long a request whose answer was never stored may still land."""
TOGETHER = 5_000
"""Two times that were told by different clocks, ours or Live's, may be one when this near."""


class By(str, Enum):
    """Whose wish it is."""

    NOBODY = "nobody"
    PERSON = "person"
    POLICY = "policy"
    END = "end"


class IfNotLive(str, Enum):
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Wish:
    """What people or policy want now. Every new wish raises `gen`.

    `until` and `max_duration` end a wanted one; the `held_` fields keep policy off an unwanted one.
    """

    gen: int = 0
    wanted: bool = False
    by: By = By.NOBODY
    why: Code = Code.NEVER_ASKED
    who: str = ""
    reason: str = ""
    made_at: int = 0  # or asked again at
    on_interruption: OnInterruption = OnInterruption.RESUME
    if_not_live: IfNotLive = IfNotLive.WAIT
    max_duration: int | None = None
    until: int | None = None
    first_accepted_at: int | None = None
    session: int | None = None  # where a start of it was first accepted
    claimed: bool = False  # a start of it may have been on the wire
    finalize: bool = False
    held_until: int | None = None
    held_session: int | None = None
    held_opening_before: int | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """The command that should go out next. Nobody has it on the wire yet."""

    command: Command
    why: Code
    gen: int
    since: int
    not_before: int
    attempts: int = 0
    full: bool = False  # every place is taken: it waits for one to come free


@dataclass(frozen=True, slots=True)
class Flight:
    """The one command that may be on the wire. `sent_at` is its pace slot."""

    id: str
    command: Command
    why: Code
    gen: int
    session: int
    since: int
    attempts: int
    sent_at: int = 0
    lease_until: int = 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """An attempt whose answer was never stored: until then it may still land."""

    command: Command
    until: int
    gen: int = 0  # of a restart: the wish that it was asked under

    def may_explain(self, time: int | None) -> bool:
        """Whether what Live says was so at `time` may be this attempt's doing; None tells nothing
        against it."""
        return time is None or time >= self.until - DOUBT - TOGETHER


class Standing(str, Enum):
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Session:
    """One publish. `time` is the callback's, `publish_time` the online list's."""

    number: int
    opened_at: int
    time: int | None = None
    publish_time: int | None = None
    standing: Standing = Standing.LIVE
    off_since: int = 0  # since when it is ending or ended
    looks: int = 0  # made since then
    absent_at: int | None = None  # when a look first missed it since then
    refused_start: bool = False  # Live answered a start with StreamNotFound
    refused_last: bool = False  # it did so last: whatever a look shows, it has accepted none since
    done_time: int | None = None  # of the latest publish_done that was taken for its end
    told_time: int | None = None  # of the latest later publish that only a look may believe

    @property
    def is_undated(self) -> bool:
        """Known by an accepted start alone: it began at `opened_at` or before."""
        return self.time is None and self.publish_time is None

    @property
    def began(self) -> int:
        """Its time for comparing with a callback's."""
        known = self.time if self.time is not None else self.publish_time
        return self.opened_at if known is None else known

    @property
    def listed(self) -> int:
        """Its time for comparing with the online list's."""
        known = self.publish_time if self.publish_time is not None else self.time
        return self.opened_at if known is None else known


class How(str, Enum):
    """What proves that a session was started: Live's answer to a start, or ours to its asking."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    ADOPTED = "adopted"
    ON_DEMAND = "on_demand"  # Live asked and was told to; no command of ours was needed


@dataclass(frozen=True, slots=True)
class Started:
    """A start that Live answered with yes. `check_at` is when silence must be doubted; what Live
    says was so before `since`, by its clock, is of a recording before."""

    session: int
    at: int
    how: How
    confirmed: bool = False
    check_at: int | None = None
    looked: bool = False
    repeated: bool = False
    since: int = 0

    def may_explain(self, time: int | None) -> bool:
        """Whether what Live says was so at `time` may be of this start; Live seldom says when."""
        return time is None or time >= self.since


@dataclass(frozen=True, slots=True)
class Failed:
    """Why this session is not recorded although it is wanted."""

    session: int
    why: Code
    code: str
    at: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What Live last reported of the recording itself: heard at `at`, and so since `time`, by its
    own clock and where it said so. Our own accepted stop counts as such a report."""

    recording: bool
    what: str
    at: int
    time: int | None = None

    @property
    def when(self) -> int:
        return self.at if self.time is None else self.time

    def is_newer(self, time: int | None) -> bool:
        """Than what was so at `time`, for sure."""
        if time is None:
            return False
        if self.what == STOPPED:
            return time < self.at - TOGETHER
        return self.time is not None and time < self.time

    def is_same(self, what: str, time: int | None) -> bool:
        return time is not None and (self.what, self.time) == (what, time)


STOPPED = "stop"
"""What `Evidence` says where it is our own stop that Live accepted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Live last said to a command of ours. `code` is Live's own."""

    command: Command
    why: Code
    code: str
    request_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Once:
    """An ask that carried an Idempotency-Key. `digest` tells another body from the same one."""

    key: str
    digest: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream's record: what is wanted, what may be under way, what is known."""

    key: StreamKey
    wish: Wish = field(default_factory=Wish)
    owed: Owed | None = None
    flight: Flight | None = None
    doubts: tuple[Doubt, ...] = ()
    session: Session | None = None
    policy_session: int | None = None  # the last one that policy made a wish for
    started: Started | None = None
    failed: Failed | None = None
    evidence: Evidence | None = None
    answer: Answer | None = None
    interrupted_at: int | None = None
    stopped_at: int | None = None  # when Live may have paused for a stop at the latest
    stop_missed_at: int | None = None  # when a stop was last answered StreamNotFound
    ever_claimed: bool = False
    restart_doubted: bool = False
    told_to_record_at: int | None = None  # on demand, for the session about to open
    asked: tuple[Once, ...] = ()
    changed_at: int = 0

    @property
    def session_number(self) -> int:
        return self.session.number if self.session else 0

    @property
    def paused_since(self) -> int:
        """When a pause may have begun at the latest; 0 when none may have."""
        evidence = self.evidence
        paused_at = evidence.when if evidence and evidence.what == "record_paused" else 0
        return max(self.stopped_at or 0, self.interrupted_at or 0, paused_at)

    @property
    def is_off(self) -> bool:
        """Known not to be live; a stream never seen is not known to be anything."""
        return self.session is not None and self.session.standing is Standing.ENDED

    @property
    def is_watched(self) -> bool:
        """Its session has not ended, so that a look that misses it says something."""
        return self.session is not None and not self.is_off

    @property
    def is_started(self) -> bool:
        return self.started is not None and self.started.session == self.session_number

    @property
    def has_failed(self) -> bool:
        return self.failed is not None and self.failed.session == self.session_number

    @property
    def is_held(self) -> bool:
        """Held for the session of now, whatever the hour: see `held_at` for the clock's part."""
        wish, session = self.wish, self.session
        if wish.wanted or session is None:
            return False
        if wish.held_session is not None and session.began - TOGETHER < wish.made_at:
            return True  # it was there when the stop was made, whatever was known of it then
        if wish.held_session == session.number:
            return True
        before = wish.held_opening_before
        return before is not None and session.opened_at < before

    def held_at(self, now: int) -> bool:
        """An explicit stop still keeps policy from making a wish."""
        until = self.wish.held_until
        return self.is_held or (not self.wish.wanted and until is not None and now < until)


class Phase(str, Enum):
    IDLE = "idle"
    WAITING = "waiting"
    QUEUED = "queued"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    FAILED = "failed"
    UNMANAGED = "unmanaged"


def phase(record: Recording) -> Phase:
    if record.wish.wanted:
        return _phase_wanted(record)
    busy = record.flight or record.owed
    if busy and busy.command in (Command.STOP, Command.CANCEL_DELAY):
        return Phase.STOPPING
    if _runs_without_us(record):
        return Phase.UNMANAGED
    return Phase.STOPPING if record.flight else Phase.IDLE


def _phase_wanted(record: Recording) -> Phase:
    if record.is_started and not record.is_off:
        return Phase.RECORDING
    if record.flight:
        return Phase.STARTING
    if record.has_failed and not record.owed:
        return Phase.FAILED
    if record.owed:
        again = record.owed.attempts and not record.owed.full
        return Phase.STARTING if again else Phase.QUEUED
    return Phase.WAITING


def _runs_without_us(record: Recording) -> bool:
    """Live reports a recording, and not as the late echo of what we have stopped."""
    evidence = record.evidence
    if evidence is None or not evidence.recording or record.is_off:
        return False
    return record.stopped_at is None or evidence.when > record.stopped_at + DOUBT


LOOKS = (5_000, 15_000, 30_000)
"""When an ending session is looked at, counted from when it was marked."""
LOOK_AGAIN = 60_000


def next_look(session: Session) -> int | None:
    if session.standing is not Standing.ENDING:
        return None
    planned = (*LOOKS, LOOKS[-1] + (session.looks - len(LOOKS) + 1) * LOOK_AGAIN)
    at = session.off_since + planned[min(session.looks, len(LOOKS))]
    return at if session.absent_at is None else max(at, session.absent_at + TOGETHER)


NEVER_LIVE = 24 * 3_600_000
"""How long a policy's wish lasts that never saw its stream."""


def due_at(record: Recording) -> int | None:
    """When this record must be looked at again though nothing happens to it; None for never."""
    times = [doubt.until for doubt in record.doubts]
    if record.flight:
        times.append(record.flight.lease_until)
    elif record.owed:
        times.append(record.owed.not_before)
    if record.session and (look := next_look(record.session)) is not None:
        times.append(look)
    if record.wish.wanted:
        times += _due_of_wish(record)
    return min(times, default=None)


def _due_of_wish(record: Recording) -> list[int]:
    wish, started = record.wish, record.started
    times = [wish.until] if wish.until is not None else []
    if wish.by is By.POLICY and record.session is None:
        times.append(wish.made_at + NEVER_LIVE)
    if record.is_started and not record.is_off and started and started.check_at is not None:
        times.append(started.check_at)
    return times


_RANK = {Command.STOP: 0, Command.CANCEL_DELAY: 0, Command.RESTART: 1, Command.START: 2}


def rank(record: Recording) -> int:
    """Who goes first when slots are short: what ends a bill, then what cuts, then what begins."""
    return _RANK[record.owed.command] if record.owed else 0


_BEGINS = (Command.START, Command.RESTART)


def takes_place(record: Recording) -> bool:
    """Whether it counts against a cap: a start of ours may have begun a recording, and nothing
    says that it is over. What only waits counts nothing."""
    if record.flight and record.flight.command in _BEGINS:
        return True
    if any(doubt.command in _BEGINS for doubt in record.doubts):
        return True
    if record.is_off:
        return False
    if record.wish.wanted:
        return record.is_started
    busy = record.flight or record.owed
    return record.ever_claimed and busy is not None and busy.command is Command.STOP

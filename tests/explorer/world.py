"""A situation of the small model: the state of Live, what is on its way, and the instances at work.

Everything is made of integers and tuples, so that a million situations hash quickly: records,
events and replies are numbers in the pools of `stepper`. The clock stands still at `NOW`; when time
passes, everything else moves into the past.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from shared.protocol import Command, Reason, StreamKey

NOW = 1_000_000_000
KEY = StreamKey("live.example.com", "app", "room1")
LEASE = 8_000
MINUTE = 60_000
FAR = 6 * 3_600_000
"""Something due in more ms than this is not waited for."""
NEVER, UNCLEAR = -1, -2
"""Stand for the number of a true session: none, and not known which."""


class Fault(str, Enum):
    """What may go wrong. Each fault costs one of the scenario's budget."""

    KILL = "kill"
    LOST_ANSWER = "lost answer"
    LOST_REQUEST = "lost request"
    PAUSE = "pause"
    LOSE = "lost message"
    TWICE = "message twice"
    LATE = "late message"
    STALE = "stale look"
    FAILED_LOOK = "failed look"
    NO_SLOT = "no slot"
    NOT_YET = "not live yet"
    THROTTLED = "throttled"
    FORBIDDEN = "forbidden"
    MUTE = "accepted in vain"
    JUMP = "clock jumps"
    SET_BACK = "clock set back"
    EMPTIED = "store emptied"
    REFUSED = "write refused"
    FULL = "store full"
    UNREADABLE = "record unreadable"
    UNSTORABLE = "event that no store takes"
    DAYS = "400 days pass"


class Task(IntEnum):
    """A recording inside Live. `STOPPED` and `CUT` wait for the merge delay: after a stop, and
    after an interruption."""

    NONE = 0
    RUNS = 1
    STOPPED = 2
    CUT = 3


class Live(NamedTuple):
    """The true state of Live. `publish` numbers the true sessions; `listed` is None while
    offline."""

    publish: int = 0
    listed: int | None = None
    published_at: int = 0
    task: Task = Task.NONE
    until: int = 0
    ours: bool = False
    before: int | None = None  # what the list showed before the last true event
    event_at: int = 0


class Request(NamedTuple):
    """A command on the wire; it lands by `until` at the latest."""

    command: Command
    reason: Reason
    session: int
    until: int


class Mail(NamedTuple):
    """A callback not yet delivered, about the true session `publish`."""

    event: int
    publish: int
    until: int  # must be delivered by then; 0: at once


class Instance(NamedTuple):
    """One invocation: its event and the answers to its effects so far, from which the real
    generator is replayed."""

    event: int
    options: int
    serial: int
    replies: tuple[int, ...] = ()
    publish: int = NEVER  # the true session that its event is about
    paused: int = 0  # until when it may stand still; 0: it does not
    outrun: bool = False  # another instance saved since it loaded


class Memory(NamedTuple):
    """What the promises remember by themselves, because they do not trust the record."""

    accepted_in: int = NEVER  # true session of the intent's first accepted start
    held: bool = False  # an explicit stop with a long hold was stored, and no start since
    by_policy: int = NEVER  # true session for which policy last made an intent
    asked_restarts: int = 0  # asked for and not yet seen by Live
    own_restart: int = NEVER  # session of the record that was restarted without an ask
    stop_due: bool = False  # an explicit stop that must still be claimed
    unfinished: bool = False  # a stop paused what finalize wants written
    ends_at: int = 0  # when the intent's time is over
    forgotten: bool = False  # the record of an intent was forgotten, and no newer one was made
    over_until: int = 0  # time ended an intent: no session that opens before this is recorded
    emptied_in: int = NEVER  # true session that was live as the store was emptied
    excused: tuple[str, ...] = ()  # occurrences that a person has stopped, skipped or replaced
    made: tuple[str, ...] = ()  # occurrences that have made an intent
    bars: bool = False  # a stop with a long hold was asked while none was under way


class World(NamedTuple):
    record: int
    live: Live
    memory: Memory
    instances: tuple[Instance, ...] = ()
    wire: tuple[Request, ...] = ()
    mail: tuple[Mail, ...] = ()
    asked: int = 0  # how many asks of the scenario were made
    happened: int = 0  # how many events of its script have happened
    faults: int = 0  # how many may still go wrong
    polls: int = 0  # how many polls may still come at any moment
    minute: int = NOW + MINUTE
    quiet: bool = False  # a fresh poll has just changed nothing
    steady: int = 0  # since when the store's clock has been steady; 0: always
    gap_from: int = 0  # what the clock showed before its step
    emptied: int = 0  # when the store was emptied; 0: never
    unreadable: int = 0  # how often time may still pass until the record can be read again

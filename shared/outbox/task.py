"""A durable task: its kind, its stream, when it is due, and how often it was tried."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from shared.protocol.stream import StreamKey

OUTBOX_MAX_BYTES = 8_000_000
"""The open tasks of a stage may take this much: about 15,000 tasks. Beyond it, new ones are
dropped."""
DEAD_MAX_BYTES = 4_000_000
"""The dead letters of a stage may take this much. Beyond it, the oldest are dropped."""
DROPPED = "outbox dropped"
"""The name of the timestamp of the latest dropped task."""
ROW_BYTES = 400
"""Approximate bytes of a stored task in addition to its body."""


class TaskKind(str, Enum):
    """What a task does. `VERIFY_FILE` checks a file in the bucket, and `DELIVER_FILE` copies it to
    another store. `MESSAGE` sends a message to a chat robot. `EVENT` turns an event into `WEBHOOK`
    tasks, each of which delivers it to one receiver."""

    VERIFY_FILE = "verify_file"
    MESSAGE = "message"
    EVENT = "event"
    WEBHOOK = "webhook"
    DELIVER_FILE = "deliver_file"


OF_STAGE = StreamKey("", "", "")
"""Stands for the stream in a task about the whole stage."""


def queue_of(kind: TaskKind, receiver: str = "") -> str:
    """Return the name of the queue for tasks of this kind. Each webhook receiver has its own queue,
    so that a slow receiver delays no other."""
    return f"{kind.value}:{receiver}" if receiver else kind.value


class NewTask(Struct, frozen=True):
    """A task to store, together with a record or alone. The store leaves it out if a task with its
    id is open, or if the stream's list of files already had the file `of_file`. Only the code that
    does the task reads `body`. `receiver`: the name of the webhook receiver; "" for other kinds."""

    id: str
    kind: TaskKind
    body: str
    of_file: str = ""
    receiver: str = ""

    @property
    def queue(self) -> str:
        return queue_of(self.kind, self.receiver)

    @property
    def size_bytes(self) -> int:
        """Return how many bytes of the outbox's limit the task takes."""
        return size_of(self.body)


def size_of(body: str) -> int:
    """Return how many bytes of the outbox's limit a task with this body takes."""
    return len(body.encode()) + ROW_BYTES


class Task(Struct, frozen=True):
    """A task as it is stored. `attempts` is how often it was taken. `version` rises each time it is
    taken: the result of an attempt is discarded if another runner has taken the task since.

    For an open task, `due_at` is when it is due, in ms; for a dead letter, when it failed for good.
    `why` is the error of the last attempt. `sequence` rises with each task that the stage stores.
    """

    id: str
    queue: str
    stream: StreamKey
    body: str
    made_at: int
    due_at: int
    attempts: int = 0
    version: int = 1
    why: str = ""
    sequence: int = 0

    @property
    def kind(self) -> str:
        """Return the task's kind as text, because a later release may have stored a kind that this
        release does not know."""
        return self.queue.partition(":")[0]

    @property
    def receiver(self) -> str:
        return self.queue.partition(":")[2]


class OutboxState(Struct, frozen=True):
    """How many tasks are open, how many are dead letters (`dead`), and how many bytes each of these
    two kinds takes. `oldest_ms`: for how long the oldest open task has been due. `dropped`: how
    many tasks of both kinds the store has ever dropped for lack of room."""

    open: int = 0
    open_bytes: int = 0
    oldest_ms: int = 0
    dead: int = 0
    dead_bytes: int = 0
    dropped: int = 0


class Redriven(str, Enum):
    """The result of reopening a dead letter. `OPEN`: it is an open task again. `UNKNOWN`: no dead
    letter has this id. `FULL`: there is no room for another open task."""

    OPEN = "open"
    UNKNOWN = "unknown"
    FULL = "full"

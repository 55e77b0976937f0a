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
    """`MESSAGE` sends a message to people. `EVENT` turns a change into deliveries. Each `WEBHOOK`
    is the delivery to one receiver."""

    VERIFY_FILE = "verify_file"
    MESSAGE = "message"
    EVENT = "event"
    WEBHOOK = "webhook"
    DELIVER_FILE = "deliver_file"


OF_STAGE = StreamKey("", "", "")
"""Stands for the stream in a task about the whole stage."""


def queue_of(kind: TaskKind, receiver: str = "") -> str:
    """Return the queue of a kind of task. Each webhook receiver has its own queue, so that a slow
    one delays no other."""
    return f"{kind.value}:{receiver}" if receiver else kind.value


class NewTask(Struct, frozen=True):
    """A task to store, with a record or alone. The task is left out if one with its id is open, or
    if the stream's file `of_file` is already known. Only the code that does the task reads
    `body`."""

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
        """Return the bytes of the task that count towards the limit of the outbox."""
        return size_of(self.body)


def size_of(body: str) -> int:
    """Return the bytes of a task with this body that count towards the limit of the outbox."""
    return len(body.encode()) + ROW_BYTES


class Task(Struct, frozen=True):
    """A task as it is stored. `attempts` counts how often it was taken. A result counts only for
    the `version` that was taken.

    An open task is due at `due_at`, in ms; a dead letter failed for good then. `why` is the last
    attempt's error. `sequence` rises with each task that the stage stores.
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
        """Return the task's kind. If a later release wrote the task, this release may not know the
        kind."""
        return self.queue.partition(":")[0]

    @property
    def receiver(self) -> str:
        return self.queue.partition(":")[2]


class OutboxState(Struct, frozen=True):
    """The open tasks and the dead letters: their numbers and bytes. `oldest_ms`: how long the
    oldest open task has been due. `dropped`: how many of either were dropped for lack of room
    since the store was made."""

    open: int = 0
    open_bytes: int = 0
    oldest_ms: int = 0
    dead: int = 0
    dead_bytes: int = 0
    dropped: int = 0


class Redriven(str, Enum):
    """The result of reopening a dead letter."""

    OPEN = "open"
    UNKNOWN = "unknown"
    FULL = "full"

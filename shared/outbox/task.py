"""A durable task: of which kind, for which stream, due when, tried how often."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from shared.protocol.stream import StreamKey

OUTBOX_MAX_BYTES = 8_000_000
"""What the open tasks of a stage may take: some 15,000 of them. Beyond it a new one is dropped."""
DEAD_MAX_BYTES = 4_000_000
"""What its dead letters may take. Beyond it the oldest are dropped."""
DROPPED = "outbox dropped"
"""The name of the timestamp of when a task was last dropped."""
ROW_BYTES = 400
"""What a task counts for beside its body, by and large."""


class TaskKind(str, Enum):
    """`MESSAGE` is for people. `EVENT` tells of a change, until it is handed to each receiver;
    `WEBHOOK` is its delivery to one of them."""

    VERIFY_FILE = "verify_file"
    MESSAGE = "message"
    EVENT = "event"
    WEBHOOK = "webhook"
    DELIVER_FILE = "deliver_file"


OF_STAGE = StreamKey("", "", "")
"""The stream of a task that concerns the whole stage."""


def queue_of(kind: TaskKind, receiver: str = "") -> str:
    """Return the queue that tasks of a kind wait in. Each receiver has one of its own, so that one
    which is slow or down delays no other."""
    return f"{kind.value}:{receiver}" if receiver else kind.value


class NewTask(Struct, frozen=True):
    """A task to be stored, together with a record or alone. It is left out where a task of its id
    is open, and where the stream's file `of_file` is known already. Only whoever does it reads
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
        """Return what it counts for against the cap."""
        return size_of(self.body)


def size_of(body: str) -> int:
    """Return what a task with this body counts for against the cap, in bytes."""
    return len(body.encode()) + ROW_BYTES


class Task(Struct, frozen=True):
    """A task as it is stored. `attempts` counts each time that it was taken; a result counts only
    for the `version` that it was taken with.

    A task is due at `due_at` (ms); a dead letter has been one since then. `why` is what the last
    attempt failed with. `sequence` rises with each task that the stage stores."""

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
        """Return its kind, which a later release may have written."""
        return self.queue.partition(":")[0]

    @property
    def receiver(self) -> str:
        return self.queue.partition(":")[2]


class OutboxState(Struct, frozen=True):
    """How many tasks are open and how many are dead letters, and their bytes; for how many ms the
    first of the open ones has been due; how many of either were dropped since the store was made.
    """

    open: int = 0
    open_bytes: int = 0
    oldest_ms: int = 0
    dead: int = 0
    dead_bytes: int = 0
    dropped: int = 0


class Redriven(str, Enum):
    """What became of a dead letter that was to be tried again."""

    OPEN = "open"
    UNKNOWN = "unknown"
    FULL = "full"

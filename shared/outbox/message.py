"""The task to send one message to one chat robot."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from shared.decoding import decode
from shared.outbox.task import NewTask, TaskKind

ID_CHARS = 24


class MessageBody(Struct, frozen=True):
    """The body of the task. It names the robot, and holds no part of its address."""

    sink: str
    text: str
    is_test: bool = False


def message_task(body: MessageBody, number: int) -> NewTask:
    """Return the task. `number` distinguishes messages that are otherwise alike; it is the version
    of the alert book."""
    text = msgspec.json.encode(body).decode()
    named = f"{TaskKind.MESSAGE.value}\0{number}\0{text}"
    task_id = hashlib.sha256(named.encode()).hexdigest()[:ID_CHARS]
    return NewTask(task_id, TaskKind.MESSAGE, text)


class SinkState(Struct, frozen=True):
    """A robot's last answer, and until when it gets no message because it has refused too many.
    Times are in ms by the store's clock; 0 for never."""

    at: int = 0
    is_taken: bool = False
    answer: str = ""
    paused_until: int = 0

    @classmethod
    def of(cls, text: str | None) -> SinkState:
        """Parse the stored state; return that of a new robot if it cannot be read."""
        try:
            return decode(text or "", SinkState)
        except msgspec.MsgspecError:
            return cls()

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()


def sink_note(sink: str) -> str:
    """Return the name under which the store keeps a robot's state."""
    return f"robot:{sink}"

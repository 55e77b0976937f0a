"""The task to send one message to one chat robot."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from shared.decoding import Undecodable, decode
from shared.outbox.task import NewTask, TaskKind

ID_CHARS = 24


class MessageBody(Struct, frozen=True):
    """The body of the task: the `text`, and the name of the robot (`sink`). No part of the robot's
    address is stored. If `is_test`, `text` may be "", and the function `notify` writes the text."""

    sink: str
    text: str
    is_test: bool = False


def message_task(body: MessageBody, number: int) -> NewTask:
    """Return the task. `number` is the version of the stored alerts; it makes the ids of two tasks
    with the same text differ."""
    text = msgspec.json.encode(body).decode()
    named = f"{TaskKind.MESSAGE.value}\0{number}\0{text}"
    task_id = hashlib.sha256(named.encode()).hexdigest()[:ID_CHARS]
    return NewTask(task_id, TaskKind.MESSAGE, text)


class SinkState(Struct, frozen=True):
    """A robot's last answer: when it came (`at`), whether the robot accepted the message
    (`is_taken`), and its text. After an answer that it got too many messages, the robot gets none
    until `paused_until`. Times are in ms by the store's clock; 0 for never."""

    at: int = 0
    is_taken: bool = False
    answer: str = ""
    paused_until: int = 0

    @classmethod
    def of(cls, text: str | None) -> SinkState:
        """Parse the stored state. If there is none, or it cannot be read, return the state of a
        robot that got no message yet."""
        try:
            return decode(text or "", SinkState)
        except Undecodable:
            return cls()

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()


def sink_note(sink: str) -> str:
    """Return the name under which the store keeps a robot's state."""
    return f"robot:{sink}"

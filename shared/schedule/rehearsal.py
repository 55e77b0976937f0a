"""The last rehearsal of an application. A schedule may demand one before each occurrence.

`live-record rehearse` stores the rehearsal through the API. The function `notify` compares its time
with the coming occurrences.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec import Struct

from shared.decoding import Undecodable, decode
from shared.protocol import StreamKey


class RehearsalVerdict(str, Enum):
    GO = "go"
    NO_GO = "no-go"


class Rehearsal(Struct, frozen=True):
    """The result of a rehearsal. `verdict` was reached at `at`; `who` is the name of the token that
    was used, and `stream` the throw-away stream. A NO-GO has a cause and a fix, in the language of
    the person who rehearsed."""

    at: int
    verdict: RehearsalVerdict
    who: str
    stream: str
    cause: str = ""
    fix: str = ""

    @property
    def is_go(self) -> bool:
        return self.verdict is RehearsalVerdict.GO

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()


def rehearsal_note(key: StreamKey) -> str:
    """Return the name under which the store keeps the last rehearsal of the stream's application. A
    text that is stored under a name is called a note."""
    return f"rehearsal {StreamKey(key.domain, key.app, '')}"


def last_rehearsal(text: str | None) -> Rehearsal | None:
    """Parse the last rehearsal from its stored text. Return None if there is none, or if this
    release cannot read it."""
    try:
        return decode(text, Rehearsal) if text else None
    except Undecodable:
        return None

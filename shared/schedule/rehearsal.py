"""The last rehearsal of an application, which a schedule may demand before each occurrence.

`live-record rehearse` stores it through the API; the function `notify` compares it with the coming
occurrences.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec import Struct

from shared.decoding import decode
from shared.protocol import StreamKey


class RehearsalVerdict(str, Enum):
    GO = "go"
    NO_GO = "no-go"


class Rehearsal(Struct, frozen=True):
    """The verdict at `at`, the token's name, and the throw-away stream. A NO-GO has a cause and a
    fix, in the language of the person who rehearsed."""

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
    """Return the name of the note with the last rehearsal of a stream's application."""
    return f"rehearsal {StreamKey(key.domain, key.app, '')}"


def last_rehearsal(text: str | None) -> Rehearsal | None:
    """Parse a note; return None if there is none, or if a later release wrote it."""
    try:
        return decode(text, Rehearsal) if text else None
    except msgspec.MsgspecError:
        return None

"""The last rehearsal of an application, which a schedule may demand before each occurrence.

`live-record rehearse` has the API store it; the function notify compares it with what is to come.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec import Struct

from shared.protocol import StreamKey


class RehearsalVerdict(str, Enum):
    GO = "go"
    NO_GO = "no-go"


class Rehearsal(Struct, frozen=True):
    """What was found at `at`, by whose token, with which throw-away stream; of a NO-GO the cause
    and what to do, in the words of the person who rehearsed."""

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
    """Return what a note says; None for no note, and for one of a later release."""
    try:
        return msgspec.json.decode(text, type=Rehearsal) if text else None
    except msgspec.MsgspecError:
        return None

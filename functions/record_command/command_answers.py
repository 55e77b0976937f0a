"""The answers to commands, and the fields that every answer about a stream has.

An instance loads it for its first command; the other answers are in `answers`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Struct

from functions.answer_fields import Count, Time, doc
from shared.protocol import Command, Phase, Reason
from shared.protocol.derived.standing import Liveness
from shared.protocol.policy import OnInterruption
from shared.protocol.state.intent import Requester


class ReasonView(Struct, frozen=True, forbid_unknown_fields=True):
    code: Reason
    text: Annotated[str, doc("the code in words")]


class IntentView(Struct, frozen=True, forbid_unknown_fields=True):
    generation: Annotated[Count, doc("raised by every new intent")]
    requester: Requester
    who: str
    note: str
    reason: Reason
    on_interruption: OnInterruption
    made_at: Time | None
    first_accepted_at: Time | None
    held_until: Time | None


class WrongView(Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[Time, doc("when the loss of the recording began")]
    lost_ms: Annotated[Count, doc("for how long that is so far")]
    reason: Annotated[ReasonView, doc("what keeps it from being recorded")]


class StandingView(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that every answer about a stream has."""

    stream: Annotated[str, doc("domain/app/stream, with the main streaming domain")]
    wanted: bool
    phase: Phase
    since: Annotated[Time | None, doc("the beginning of its present phase")]
    confirmed: Annotated[bool, doc("Live has shown that it records")]
    confirmed_at: Annotated[
        Time | None,
        doc(
            "when Live last showed that it records; null unless it is recorded, and"
            " while that is not known because the clock was set back"
        ),
    ]
    confirmed_ms_ago: Annotated[Count | None, doc("how old that is: nothing has denied it since")]
    live: Annotated[Liveness, doc("whether the stream is live")]
    live_at: Annotated[
        Time | None, doc("when that was last known: by a callback or the online list")
    ]
    wrong: Annotated[
        WrongView | None, doc("not null: the stream is wanted and live, and is not recorded")
    ]
    next_attempt_at: Annotated[
        Time | None,
        doc(
            "when its command is next sent, or its state next checked; with the timer,"
            " up to a minute later; null: a command is on the wire, or nothing is planned"
        ),
    ]
    attempts: Annotated[Count, doc("how often that command was tried so far")]
    changed_at: Annotated[Time | None, doc("when its record last changed")]
    until: Time | None
    ever_live: Annotated[bool, doc("the stream has been live since we know it")]
    reason: ReasonView


class Outcome(str, Enum):
    """Live itself answered `accepted`, `already_recording`, `already_stopped` and `never_known`.
    With any other outcome the intent is stored, and the command follows."""

    ACCEPTED = "accepted"
    ALREADY_RECORDING = "already_recording"
    ALREADY_STOPPED = "already_stopped"
    NEVER_KNOWN = "never_known"
    QUEUED = "queued"
    WAITING = "waiting"
    UNKNOWN = "unknown"


class AskView(StandingView, frozen=True, forbid_unknown_fields=True):
    intent: Annotated[IntentView, doc("what people or policy want now")]
    outcome: Outcome
    command: Command | None
    code: Annotated[str | None, doc("Live's own, where it did not simply accept")]
    request_id: Annotated[str | None, doc("Live's")]
    replicated: Annotated[
        Count | None,
        doc(
            "how many replicas of the store had stored this request when it was answered; null:"
            " the request stored nothing, there is no replica, or the number is not known"
        ),
    ]
    file_by: Annotated[Time | None, doc("when the file is there at the latest")]

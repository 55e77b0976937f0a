"""The answers to commands, and the fields that every answer about a stream has.

An instance loads this module for its first command; the other answers are in `answers`.
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
    generation: Annotated[Count, doc("rises with every new intent")]
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
    lost_ms: Annotated[Count, doc("how long the loss has lasted so far")]
    reason: Annotated[ReasonView, doc("what keeps the stream from being recorded")]
    certain: Annotated[
        bool,
        doc(
            "`false`: the stream may be recorded all the same, because Live's answer to a start was"
            " lost or unclear"
        ),
    ]


class StandingView(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that every answer about a stream has."""

    stream: Annotated[str, doc("`domain/app/stream`, with the main streaming domain")]
    wanted: bool
    phase: Phase
    since: Annotated[Time | None, doc("the beginning of its present phase")]
    confirmed: Annotated[bool, doc("`true`: Live has shown that it records the stream")]
    confirmed_at: Annotated[
        Time | None,
        doc(
            "when Live last showed that it records the stream; `null`: the stream is not"
            " recorded, or the time is unknown because the clock was set back"
        ),
    ]
    confirmed_ms_ago: Annotated[
        Count | None, doc("the age of `confirmed_at`; since then nothing has shown the contrary")
    ]
    live: Annotated[Liveness, doc("whether the stream is live")]
    live_at: Annotated[
        Time | None,
        doc("when a callback or the online list last showed whether the stream is live"),
    ]
    wrong: Annotated[
        WrongView | None, doc("not `null`: the stream is wanted and live, and is not recorded")
    ]
    next_attempt_at: Annotated[
        Time | None,
        doc(
            "when the stream's command is next sent, or its state next checked; up to a"
            " minute later if only the timer runs. `null`: a command is on the wire, or"
            " nothing is planned"
        ),
    ]
    attempts: Annotated[Count, doc("how often the pending command was tried so far")]
    changed_at: Annotated[Time | None, doc("when the stream's record last changed")]
    until: Time | None
    ever_live: Annotated[bool, doc("`true`: the stage has seen the stream live before")]
    reason: ReasonView


class Outcome(str, Enum):
    """The outcome of a request for a command. With `accepted`, `already_recording`,
    `already_stopped` and `never_known`, the request is done. With any other outcome the intent is
    stored, and the command follows."""

    ACCEPTED = "accepted"
    ALREADY_RECORDING = "already_recording"
    ALREADY_STOPPED = "already_stopped"
    NEVER_KNOWN = "never_known"
    QUEUED = "queued"
    WAITING = "waiting"
    UNKNOWN = "unknown"


class AskView(StandingView, frozen=True, forbid_unknown_fields=True):
    intent: Annotated[IntentView, doc("the desired state, and who asked for it")]
    outcome: Outcome
    command: Command | None
    code: Annotated[
        str | None, doc("Live's error code; `null`: Live accepted the command, or has not answered")
    ]
    request_id: Annotated[str | None, doc("the request id of Live's answer")]
    replicated: Annotated[
        Count | None,
        doc(
            "how many replicas of the store had stored this request when it was answered; `null`:"
            " the request stored nothing, there is no replica, or the number is not known"
        ),
    ]
    file_by: Annotated[Time | None, doc("when the file appears at the latest; `null`: unknown")]

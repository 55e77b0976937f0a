"""The desired state of one stream: whether to record it, who wants that, and until when."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from shared.protocol.policy import OnInterruption
from shared.protocol.reason import OpenEnum, Reason

MAX_KEYS = 100
"""Idempotency-Keys that a record remembers, so that it does not grow for ever."""


class Requester(OpenEnum):
    """Who made the intent. END: the end of an earlier intent made this one, which wants no
    recording."""

    NOBODY = "nobody"
    PERSON = "person"
    POLICY = "policy"
    SCHEDULE = "schedule"
    END = "end"


class IfNotLive(str, Enum):
    WAIT = "wait"
    FAIL = "fail"


class Intent(Struct, frozen=True, omit_defaults=True):
    """The desired state of one stream. Every new intent raises `generation`.

    `until` and `max_duration` end an intent that wants a recording. In an intent that wants none,
    the `held_` fields keep policy from making a new intent. A schedule's intent keeps an earlier
    `held_until`, for the time after the occurrence.
    """

    generation: int = 0
    wanted: bool = False
    requester: Requester = Requester.NOBODY
    reason: Reason = Reason.NEVER_ASKED
    who: str = ""
    note: str = ""
    made_at: int = 0  # or when a person last asked for it again
    on_interruption: OnInterruption = OnInterruption.RESUME
    if_not_live: IfNotLive = IfNotLive.WAIT
    max_duration: int | None = None
    until: int | None = None
    first_accepted_at: int | None = None
    session: int | None = None  # the one in which its start was first accepted
    claimed: bool = False  # its start, or one that a stop should have ended, may have landed
    finalize: bool = False
    held_until: int | None = None
    held_session: int | None = None
    held_opening_before: int | None = None
    unsent_stop: bool = False  # its stop was not sent, because the stage only observed
    occurrence: str = ""  # the one whose intent this is, or during which a person stopped
    overrun_at: int | None = None  # from then on, a show that runs over ends with its session


class IdempotencyKey(Struct, frozen=True, omit_defaults=True):
    """The Idempotency-Key of a request. `digest` tells requests with different bodies apart. `who`
    tells tokens apart: each token has keys of its own."""

    key: str
    digest: str
    at: int = 0
    who: str = ""

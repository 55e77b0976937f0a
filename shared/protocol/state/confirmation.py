"""How sure it is that Live records this session."""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import OpenEnum, Reason
from shared.protocol.state.session import TOGETHER_MS


class StartSource(OpenEnum):
    """What proves that a session was started: Live's answer to a start, or ours to its asking."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    ADOPTED = "adopted"
    ON_DEMAND = "on_demand"  # Live asked and was told to; no command of ours was needed


class Confirmation(Struct, frozen=True, omit_defaults=True):
    """A start that Live answered with yes. `check_at` is when silence must be doubted; what Live
    says was so before `since`, by its clock, is of a recording before."""

    session: int
    at: int
    source: StartSource
    confirmed: bool = False
    check_at: int | None = None
    polled: bool = False
    repeated: bool = False
    since: int = 0

    def may_explain(self, time: int | None) -> bool:
        """Whether what Live says was so at `time` may be of this start; Live seldom says when."""
        return time is None or time >= self.since


class SessionFailure(Struct, frozen=True, omit_defaults=True):
    """Why this session is not recorded although it is wanted."""

    session: int
    reason: Reason
    code: str
    at: int
    message: str = ""


class LastReport(Struct, frozen=True, omit_defaults=True):
    """What Live last reported of the recording itself: heard at `at`, and so since `time`, by its
    own clock and where it said so. Our own accepted stop counts as such a report."""

    recording: bool
    what: str
    at: int
    time: int | None = None

    @property
    def when(self) -> int:
        return self.at if self.time is None else self.time

    def is_newer(self, time: int | None) -> bool:
        """Than what was so at `time`, for sure."""
        if time is None:
            return False
        if self.what == STOPPED:
            return time < self.at - TOGETHER_MS
        return self.time is not None and time < self.time

    def is_same(self, what: str, time: int | None) -> bool:
        return time is not None and (self.what, self.time) == (what, time)


STOPPED = "stop"
"""What `LastReport` says where it is our own stop that Live accepted."""

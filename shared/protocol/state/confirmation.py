"""How sure it is that Live records this session."""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import OpenEnum, Reason
from shared.protocol.state.session import TOGETHER_MS


class StartSource(OpenEnum):
    """What shows that a session was started: Live's answer to a start, or ours to its question."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    ADOPTED = "adopted"
    ON_DEMAND = "on_demand"  # Live asked, and our answer was yes; no command was needed


class Confirmation(Struct, frozen=True, omit_defaults=True):
    """A start that Live accepted. `check_at` is when Live's silence must be checked. A report of
    before `since`, by Live's clock, is about an earlier recording."""

    session: int
    at: int
    source: StartSource
    confirmed: bool = False
    check_at: int | None = None
    polled: bool = False
    repeated: bool = False
    since: int = 0

    def may_explain(self, time: int | None) -> bool:
        """Return True if a report of `time` may be about this start; Live seldom gives a time."""
        return time is None or time >= self.since


class SessionFailure(Struct, frozen=True, omit_defaults=True):
    """Why this session is not recorded although the intent wants it."""

    session: int
    reason: Reason
    code: str
    at: int
    message: str = ""


class LastReport(Struct, frozen=True, omit_defaults=True):
    """Live's last report of the recording itself: received at `at` (our clock), true since `time`
    (Live's clock) if Live said so. Our own accepted stop counts as such a report."""

    recording: bool
    what: str
    at: int
    time: int | None = None

    @property
    def when(self) -> int:
        return self.at if self.time is None else self.time

    def is_newer(self, time: int | None) -> bool:
        """Return True if it is surely newer than a report of `time`."""
        if time is None:
            return False
        if self.what == STOPPED:
            return time < self.at - TOGETHER_MS
        return self.time is not None and time < self.time

    def is_same(self, what: str, time: int | None) -> bool:
        return time is not None and (self.what, self.time) == (what, time)


STOPPED = "stop"
"""The `what` of a LastReport that is our own stop, accepted by Live."""

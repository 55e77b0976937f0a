"""Calls an outside monitor after each drain that the timer started.

If the call is missing, the monitor notifies people: nothing here can report that the timer, the
store or the whole region is gone. A lost call is not repeated, and nothing depends on its answer.
"""

from __future__ import annotations

from msgspec import Struct

from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

TIMEOUT_S = 2.0
"""s that the call may take."""


class Heartbeat(Struct, frozen=True):
    """Calls a monitor; with an empty `url` there is none. Only public addresses are called, unless
    `anywhere` is set for the emulator, whose monitor runs on the same machine."""

    url: str
    anywhere: bool = False

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Heartbeat(…)"

    def send(self) -> None:
        """Make the call, or raise Unanswered. A redirect is not followed and does not count as an
        answer."""
        from shared.outbound.public_address import reachable

        may_reach = reachable(anywhere=self.anywhere)
        outgoing = Outgoing("GET", self.url)
        status, _ = http.call(outgoing, patience=TIMEOUT_S, may_reach=may_reach)
        if not http.is_taken(status):
            raise Unanswered(f"status {status}")

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
    """Calls an outside monitor at `url`; "" means that there is none. Only public addresses are
    called, unless `anywhere` is set for the emulator, whose monitor runs on the same machine."""

    url: str
    anywhere: bool = False

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Heartbeat(…)"

    def send(self) -> None:
        """Call the monitor. Raise Unanswered unless it answers in time with a success (2xx). A
        redirect is not followed, and is no success."""
        from shared.outbound.public_address import reachable

        may_reach = reachable(anywhere=self.anywhere)
        outgoing = Outgoing("GET", self.url)
        status, _ = http.call(outgoing, patience=TIMEOUT_S, may_reach=may_reach)
        if not http.is_taken(status):
            raise Unanswered(f"status {status}")

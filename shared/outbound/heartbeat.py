"""The heartbeat: one call of an outside monitor after each drain that the timer started.

A monitor that misses it tells people: nothing here can say that the timer, the store or the whole
region is gone. An invocation makes the call; it repeats none, and nothing follows from its answer.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.outbound import http
from shared.outbound.bounded_socket import MayReach
from shared.outbound.http import Outgoing, Unanswered

TIMEOUT_S = 2.0
"""s that the call may take, with the resolution of the name."""


def _get(outgoing: Outgoing, may_reach: MayReach) -> int:
    return http.call(outgoing, patience=TIMEOUT_S, may_reach=may_reach)[0]


class Heartbeat(Struct, frozen=True):
    """Calls a monitor; an empty `url` means that there is none. Only public addresses of its host
    are called, unless `anywhere`: the monitor of an emulator is a program on the same machine."""

    url: str
    anywhere: bool = False
    get: Callable[[Outgoing, MayReach], int] = _get

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Heartbeat(…)"

    def send(self) -> None:
        """Make the call, or raise Unanswered. A redirect is not followed, and is no answer."""
        from shared.outbound.public_address import reachable

        may_reach = reachable(anywhere=self.anywhere)
        outgoing = Outgoing("GET", self.url)
        status = http.in_time(lambda: self.get(outgoing, may_reach), TIMEOUT_S)
        if not http.is_taken(status):
            raise Unanswered(f"status {status}")

"""The pending command, the flight on the wire, and the attempts in doubt."""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import Reason
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import Command

IN_DOUBT_MS = 60_000
"""A request without a stored answer may still land for this long after it was sent."""
MAX_SLOT_WAIT_MS = 1_000
"""How far ahead a slot may lie. A poll waits at most this long for a slot, a command only
250 ms."""
MAX_DOUBTS_ENTRIES = 12
"""Requests in doubt that one record remembers; only a burst has more."""


class PendingCommand(Struct, frozen=True, omit_defaults=True):
    """The command to send next. It is not on the wire yet."""

    command: Command
    reason: Reason
    generation: int
    since: int
    not_before: int
    attempts: int = 0
    over_quota: bool = False  # it waits for room under a cap
    who: str = ""  # the person who asked for it, if another requester made the intent


class Flight(Struct, frozen=True, omit_defaults=True):
    """The one command that may be on the wire. `sent_at` is the time of the command's slot."""

    id: str
    command: Command
    reason: Reason
    generation: int
    session: int
    since: int
    attempts: int
    sent_at: int = 0
    lease_until: int = 0
    who: str = ""  # who asked for the command, or else who made the intent


class Doubt(Struct, frozen=True, omit_defaults=True):
    """A command that may have been sent, and whose answer was never stored. It may still take
    effect before `until`."""

    command: Command
    until: int
    generation: int = 0  # of the intent to which a restart belongs

    def may_explain(self, time: int | None) -> bool:
        """Return True if the command in doubt may have caused what Live reports for the time
        `time`. If the report gives no time (None), the command may always have caused it."""
        return time is None or time >= self.until - IN_DOUBT_MS - TOGETHER_MS


class Answer(Struct, frozen=True, omit_defaults=True):
    """Live's last answer to one of our commands. `code` is Live's own."""

    command: Command
    reason: Reason
    code: str
    request_id: str
    at: int

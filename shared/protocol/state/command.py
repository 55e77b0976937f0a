"""What is to be sent, what is on the wire, and what was sent without a stored answer."""

from __future__ import annotations

from msgspec import Struct

from shared.protocol.reason import Reason
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import Command

IN_DOUBT_MS = 60_000
"""How long a request whose answer was never stored may still land."""


class PendingCommand(Struct, frozen=True, omit_defaults=True):
    """The command that should go out next. Nobody has it on the wire yet."""

    command: Command
    reason: Reason
    generation: int
    since: int
    not_before: int
    attempts: int = 0
    over_quota: bool = False  # every place is taken: it waits for one to come free


class Flight(Struct, frozen=True, omit_defaults=True):
    """The one command that may be on the wire. `sent_at` is its pace slot."""

    id: str
    command: Command
    reason: Reason
    generation: int
    session: int
    since: int
    attempts: int
    sent_at: int = 0
    lease_until: int = 0


class Doubt(Struct, frozen=True, omit_defaults=True):
    """An attempt whose answer was never stored: until then it may still land."""

    command: Command
    until: int
    generation: int = 0  # of a restart: the intent that it was asked under

    def may_explain(self, time: int | None) -> bool:
        """Whether what Live says was so at `time` may be this attempt's doing; None tells nothing
        against it."""
        return time is None or time >= self.until - IN_DOUBT_MS - TOGETHER_MS


class Answer(Struct, frozen=True, omit_defaults=True):
    """What Live last said to a command of ours. `code` is Live's own."""

    command: Command
    reason: Reason
    code: str
    request_id: str
    at: int

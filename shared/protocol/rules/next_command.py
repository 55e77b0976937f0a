"""Finds out from the record alone whether a start must follow. A rule that needs another command
makes that command pending itself.

`decide` calls this module after it has applied an event. This module knows neither the event nor
the time.
"""

from __future__ import annotations

from shared.protocol.reason import Reason
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import Command


def next_command(record: StreamRecord) -> tuple[Command, Reason] | None:
    """Return a start and its reason if the record needs a start (`lacks_start`); otherwise None."""
    session, intent = record.session, record.intent
    if session is None or not record.lacks_start:
        return None
    if intent.made_at >= session.opened_at:
        return Command.START, intent.reason
    return Command.START, Reason.SEEN_ONLINE if session.time is None else Reason.PUBLISHED

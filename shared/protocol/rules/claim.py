"""Turns the pending command into the flight, unless the command contradicts the intent."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.state.command import Flight
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import ENDS, Command


def claim(record: StreamRecord, flight: str, now: int) -> StreamRecord | None:
    """Return the record with its pending command as the flight, under the id `flight`. Return None
    if there is nothing to send now: no command is pending and due, another one is in flight, or the
    pending one contradicts the intent.

    The store adds the slot and the lease.
    """
    pending = record.pending
    if (
        pending is None
        or record.flight is not None
        or now < pending.not_before
        or _contradicts(record)
    ):
        return None
    number = record.session_number
    taken = Flight(
        flight,
        pending.command,
        pending.reason,
        pending.generation,
        number,
        pending.since,
        pending.attempts,
        who=pending.who or record.intent.who,
    )
    claimed = replace(record, pending=None, flight=taken, ever_claimed=True)
    if pending.command is Command.START:
        return replace(claimed, intent=replace(record.intent, claimed=True))
    if pending.command is not Command.STOP:
        return claimed
    # From the claim of a stop on, the recording may be paused; TaskAlreadyStarted may mean that.
    return replace(claimed, stopped_at=max(record.stopped_at or 0, now))


def _contradicts(record: StreamRecord) -> bool:
    pending, intent = record.pending, record.intent
    if pending is None or pending.generation != intent.generation:
        return True
    if pending.command is Command.START:
        return not intent.wanted
    return intent.wanted and pending.command in ENDS

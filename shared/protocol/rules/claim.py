"""Puts the pending command on the wire, unless it contradicts the intent."""

from __future__ import annotations

from shared.protocol.state.command import Flight
from shared.protocol.state.recording import Recording
from shared.protocol.stream import Command
from shared.quick import replace


def claim(record: Recording, flight: str, now: int) -> Recording | None:
    """The record with what it owes on the wire; None while that must not or need not be.

    The store adds the slot and the lease.
    """
    owed = record.owed
    if owed is None or record.flight is not None or now < owed.not_before or _contradicts(record):
        return None
    number = record.session_number
    taken = Flight(flight, owed.command, owed.why, owed.gen, number, owed.since, owed.attempts)
    flying = replace(record, owed=None, flight=taken, ever_claimed=True)
    if owed.command is Command.START:
        return replace(flying, wish=replace(record.wish, claimed=True))
    if owed.command is not Command.STOP:
        return flying
    return replace(flying, stopped_at=max(record.stopped_at or 0, now))


def _contradicts(record: Recording) -> bool:
    owed, wish = record.owed, record.wish
    if owed is None or owed.gen != wish.gen:
        return True
    if owed.command is Command.START:
        return not wish.wanted
    return wish.wanted and owed.command in (Command.STOP, Command.CANCEL_DELAY)

"""Finds the decisions that must be stored even if the store is full.

The recorder calls this module for each save.
"""

from __future__ import annotations

from shared.protocol.events import CancelDelayAsked, Event, StopAsked
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import ENDS


def ends_recording(before: StreamRecord, after: StreamRecord, event: Event) -> bool:
    """Return True if the decision asks for the end of a recording, or sends or settles a command
    that ends one. If a full store refused such a decision, a recording that nobody wants would go
    on."""
    if isinstance(event, StopAsked | CancelDelayAsked):
        return True
    under_way = (before.pending, before.flight, after.pending, after.flight)
    return any(one is not None and one.command in ENDS for one in under_way)

"""Drops dead letters (tasks that failed for good) that are older than LIVE_RECORD_KEEP.

The timer's run calls this module. Until a dead letter is dropped, `live-record deliveries` lists it
with its reason.
"""

from __future__ import annotations

from shared.invocation.invocation import Invocation


def drop(invocation: Invocation) -> int:
    """Drop the oldest of the dead letters that are too old, a few in each run; return how many were
    dropped."""
    app = invocation.app
    return app.store.drop_dead_letters(app.settings.keep)

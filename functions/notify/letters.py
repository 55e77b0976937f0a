"""Drops dead letters (tasks that failed for good) older than the stage keeps finished work.

The timer's run calls this module. `live-record deliveries` lists each dead letter and its reason
until it is dropped.
"""

from __future__ import annotations

from shared.invocation.invocation import Invocation


def drop(invocation: Invocation) -> int:
    """Drop some of the oldest dead letters; return how many were dropped."""
    app = invocation.app
    return app.store.drop_dead_letters(app.settings.keep)

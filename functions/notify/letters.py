"""Dead letters age: those that are older than the stage keeps what is over are dropped.

The run of the timer calls it. What became a dead letter, and why, `deliveries` lists until then.
"""

from __future__ import annotations

from shared.invocation.invocation import Invocation


def drop(invocation: Invocation) -> int:
    """Drop a few of the oldest; return how many there were."""
    app = invocation.app
    return app.store.drop_dead_letters(app.settings.keep)

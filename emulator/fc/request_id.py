"""Request ids in the format of Function Compute.

The server, the timers and the fleet call this module, once for each request. It keeps no state.
"""

from __future__ import annotations

import os
import time


def new_request_id() -> str:
    """Return an id such as `1-65e59b07-10xxxxxx-...` (docs/platform/function-compute.md §1.4)."""
    chance = os.urandom(10).hex()
    return f"1-{int(time.time()):08x}-{chance[:8]}-{chance[8:]}"

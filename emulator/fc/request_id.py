from __future__ import annotations

import os
import time


def new_request_id() -> str:
    """Looks like `1-65e59b07-10xxxxxx-...` (facts/function-compute.md §1.4)."""
    chance = os.urandom(10).hex()
    return f"1-{int(time.time()):08x}-{chance[:8]}-{chance[8:]}"

"""The signals besides SIGINT that end a command which runs until it is interrupted.

`demo`, `dev`, `try` and `rehearse` call this module. Each handles the signals in its own way.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence


def ending_signals() -> Sequence[signal.Signals]:
    """Return the signals besides SIGINT that end a command: SIGTERM, and SIGHUP unless nohup has
    made this process ignore it."""
    closing = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGHUP) if closing else (signal.SIGTERM,)

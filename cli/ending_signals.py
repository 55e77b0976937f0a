"""The signals besides SIGINT that end a command which runs until it is interrupted.

`demo`, `dev`, `try` and `rehearse` call this module, each with a handler of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence


def ending_signals() -> Sequence[signal.Signals]:
    """Return the signals besides SIGINT that end a command; SIGHUP unless nohup ignores it."""
    closing = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGHUP) if closing else (signal.SIGTERM,)

"""Ends a process whose credentials have expired, so that the next one gets fresh ones.

From python3.12 on, Function Compute gives credentials to a process once, in its environment
(docs/platform/function-compute.md §1.4). `serve` reports each begin and end of a call; an
invocation reports whether Live accepted the credentials. The process is not ended if its successor
would get no better credentials.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Lock, Thread

from shared import retry

EXPIRED = "InvalidSecurityToken"
"""Live's code begins with this if a token has expired."""
OLD_S = 3_600.0
"""s after which a token may have expired even if it never worked here. A younger process whose
token never worked was given a bad one; its successor would get a bad one, too."""
GRACE_S = 0.1
"""s between an answer and the end of the process, for the runtime to send the answer."""
MAX_ANSWERED_CALLS = 10
"""Answers that a process may still give once it is to end. There is no quiet moment under load, or
if Function Compute freezes the process right after each answer. Then the process ends in place of
an answer, and the caller tries again.
"""


def _exit() -> None:
    os._exit(1)


class ProcessLife:
    """The life of this process, from the first use of its credentials to its end."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = retry.wait,
        end: Callable[[], None] = _exit,
    ) -> None:
        self._monotonic, self._wait, self._end = monotonic, wait, end
        self._began = monotonic()
        self._has_worked = False
        self._lock = Lock()
        self._is_busy = False
        self._answers = 0
        self._answered_at = 0.0
        self._ending: Thread | None = None
        self.is_over = False

    def accepted(self) -> None:
        """Remember that Live accepted the credentials."""
        self._has_worked = True

    def refused(self, code: str) -> bool:
        """Handle the error code with which Live refused a request. Return True if the process must
        end, because the code says that its credentials have expired. Only one call returns True, so
        that the caller logs the end once.

        Return False for a process that is younger than OLD_S and whose credentials never worked:
        its successor would get no better ones.
        """
        is_old = self._monotonic() - self._began >= OLD_S
        if self.is_over or not code.startswith(EXPIRED) or not (self._has_worked or is_old):
            return False
        self.is_over = True
        return True

    def begin_call(self) -> None:
        with self._lock:
            self._is_busy = True

    def end_call(self) -> None:
        """Remember that the call was answered. If the credentials have expired, end the process
        soon."""
        with self._lock:
            self._is_busy = False
            self._answered_at = self._monotonic()
        if not self.is_over:
            return
        self._answers += 1
        if self._answers > MAX_ANSWERED_CALLS:
            self._end()
        if self._ending is None:
            self._ending = Thread(target=self._end_when_idle, daemon=True)
            self._ending.start()

    def _end_when_idle(self) -> None:
        """End the process GRACE_S after an answer, and never while a call is on its way.

        answer ── frozen? ── next call: if a wait took far longer than GRACE_S, the process was
        frozen meanwhile. The call that woke it may not have begun here yet, so wait again.
        """
        while True:
            began = self._monotonic()
            self._wait(GRACE_S)
            now = self._monotonic()
            was_frozen = now - began > 5 * GRACE_S
            with self._lock:
                is_sent = not self._is_busy and now - self._answered_at >= GRACE_S
                if is_sent and not was_frozen:
                    self._end()
                    return

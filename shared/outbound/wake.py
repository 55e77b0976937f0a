"""The wake-up call of reconcile: asynchronous, best effort, never the only path.

Invocations and the dispatcher make it when something is due. The timer starts reconcile without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

KEY_HEADER = "X-Live-Record-Wake"
WAKE_EVERY_S = 1.0
"""s between two wake-up calls of one instance, at least."""
TIMEOUT_S = 0.3
"""s that a wake-up call may take."""


def _call(wake_up: Outgoing) -> None:
    http.call(wake_up, patience=TIMEOUT_S)


class Wake:
    """Calls reconcile's own HTTP trigger. With an empty `url` the timer alone starts reconcile."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        monotonic: Callable[[], float],
        post: Callable[[Outgoing], object] = _call,
    ) -> None:
        self._url = url
        self._key = key
        self._monotonic = monotonic
        self._post = post
        self._last = float("-inf")

    def __call__(self) -> None:
        now = self._monotonic()
        if self._url and now - self._last >= WAKE_EVERY_S:
            self._last = now
            with suppress(Unanswered):  # the timer comes within the minute anyway
                self._post(Outgoing("POST", self._url, self._headers()))

    def _headers(self) -> dict[str, str]:
        """Return the headers. With `X-Fc-Invocation-Type: Async` Function Compute answers at once
        (docs/platform/function-compute.md §3)."""
        return {"X-Fc-Invocation-Type": "Async", KEY_HEADER: self._key}

"""Makes the wake-up call to reconcile: asynchronous and best effort.

Invocations and the dispatcher call it when something is due. The timer starts reconcile anyway.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, json

from shared.decoding import Undecodable, decode
from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

KEY_HEADER = "X-Live-Record-Wake"
WAKE_EVERY_S = 1.0
"""s between two wake-up calls of one instance, at least."""
TIMEOUT_S = 0.3
"""s that a wake-up call may take."""


class WakeUp(Struct, frozen=True):
    """The body of a wake-up call: the key, which a header holds too. UNCONFIRMED: whether an
    asynchronous HTTP call keeps its headers, or only its body (docs/platform/function-compute.md
    §3.2)."""

    wake: str

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "WakeUp(…)"


def key_in(body: bytes) -> str:
    """Return the key in the body of a wake-up call; "" if this is no such body."""
    try:
        return decode(body, WakeUp).wake
    except Undecodable:
        return ""


def _call(wake_up: Outgoing) -> int:
    return http.call(wake_up, patience=TIMEOUT_S)[0]


class Wake:
    """Calls reconcile's own HTTP trigger. With an empty `url` only the timer starts reconcile."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        monotonic: Callable[[], float],
        post: Callable[[Outgoing], int] = _call,
        report: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """Keep the collaborators. `post` returns the status of the answer; `report` gets the reason
        for a lost call."""
        self._url = url
        self._key = key
        self._monotonic = monotonic
        self._post = post
        self._report = report
        self._last = float("-inf")

    def __call__(self) -> None:
        now = self._monotonic()
        if self._url and now - self._last >= WAKE_EVERY_S:
            self._last = now
            self._wake()

    def _wake(self) -> None:
        """Make the call. If it is lost, only report that: the timer starts reconcile within a
        minute anyway."""
        body = json.encode(WakeUp(self._key))
        try:
            status = self._post(Outgoing("POST", self._url, self._headers(), body))
        except Unanswered as error:
            self._report(str(error))
            return
        if not http.is_taken(status):
            self._report(f"status {status}")

    def _headers(self) -> dict[str, str]:
        """Return the headers. With `X-Fc-Invocation-Type: Async` Function Compute answers at once
        (docs/platform/function-compute.md §3.2)."""
        content = {"Content-Type": "application/json"}
        return {**content, "X-Fc-Invocation-Type": "Async", KEY_HEADER: self._key}

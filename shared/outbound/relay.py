"""Genuine callbacks on their way to whoever had them before: handed over at once, sent on later.

ApsaraVideo Live knows one URL per kind of callback, and users have it already. What is handed over
is in nobody's store and in no log: it holds the push URL's secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

KEY_HEADER = "X-Live-Record-Relay"
KIND_HEADER = "X-Live-Record-Kind"
RELAYED_HEADER = "X-Live-Record-Relayed"
"""On what was sent on: a target that is live-record again goes no further with it."""
TIMEOUT_S = 0.3
"""s that handing over may take."""
_KEPT = ("content-type", "user-agent")
_SIGNED = ("ALI-LIVE-TIMESTAMP", "ALI-LIVE-SIGNATURE")


class Kind(str, Enum):
    """The values are the names under `[forward_to]` in the policy."""

    STREAM = "stream"
    RECORD = "record"
    ON_DEMAND = "on_demand"


Sign = Callable[[str], Mapping[str, str]]
"""Return the headers that sign a callback for this host."""


class ForwardedCallback(Struct, frozen=True):
    """A genuine callback as it reached us. `sign` signs it anew for another host; None where Live
    did not sign it."""

    kind: Kind
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    sign: Sign | None = None

    def __repr__(self) -> str:
        """Secrets stay out of it."""
        return f"ForwardedCallback({self.kind.value!r}, …)"

    @property
    def is_relayed(self) -> bool:
        """Return True for what another live-record has sent on already."""
        return RELAYED_HEADER in self.headers


class Relay(Struct):
    """Hands callbacks to the function `relay` by an asynchronous call; `missed` counts those that
    could not be."""

    url: str
    key: str
    missed: int = 0

    def __repr__(self) -> str:
        """Secrets stay out of it."""
        return "Relay(…)"

    def hand(self, callback: ForwardedCallback) -> None:
        """Raises Unanswered where nobody took it: it is lost then, and our own answer is not."""
        headers = {
            **_own(callback.headers),
            "X-Fc-Invocation-Type": "Async",
            KEY_HEADER: self.key,
            KIND_HEADER: callback.kind.value,
        }
        what = Outgoing("POST", with_query(self.url, callback.query), headers, callback.body)
        try:
            status, _ = http.call(what, patience=TIMEOUT_S)
        except Unanswered:
            self.missed += 1
            raise
        if not is_taken(status):
            self.missed += 1
            raise Unanswered(f"status {status}")


def is_taken(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the successes of HTTP


def onward(target: str, callback: ForwardedCallback) -> Outgoing:
    """The callback as its target expects it from Live itself (docs/platform/live.md §3): ingest
    callbacks are signed over the ingest domain and so stay as they are, the others over the
    target's host."""
    headers = {**_own(callback.headers), RELAYED_HEADER: "1"}
    if callback.kind is not Kind.STREAM and callback.sign is not None:
        headers |= callback.sign(urlsplit(target).hostname or "")
    method = "POST" if callback.kind is Kind.RECORD else "GET"
    return Outgoing(method, with_query(target, callback.query), headers, callback.body)


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """Live's own headers; the others belong to the way that the callback took."""
    named = {name: headers[name] for name in headers if name.lower() in _KEPT}
    signed = {name: headers[name] for name in _SIGNED if name in headers}
    return {**named, **signed}


def with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

"""Forwards genuine callbacks to their previous receiver.

ApsaraVideo Live knows one URL per kind of callback, and users often have one set already.
Invocations hand callbacks over to the function relay, which sends them; the function on_demand
sends its callbacks itself. A forwarded callback is in no store and no log, because it holds the
push URL's secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import urlencode, urlsplit

from msgspec import Struct, json

from shared.decoding import Undecodable, decode
from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

RELAYED_HEADER = "X-Live-Record-Relayed"
"""Marks a forwarded callback, with the mode of the stage that forwards it. A target that is another
live-record does not forward it again, and notices if both stages act."""
ACTING = "act"
TIMEOUT_S = 0.3
"""s that handing a callback over may take."""
_KEPT = ("content-type", "user-agent")
_SIGNED = ("ALI-LIVE-TIMESTAMP", "ALI-LIVE-SIGNATURE")


class Kind(str, Enum):
    """The kinds of callback. The values are the names under `[forward_to]` in the policy."""

    STREAM = "stream"
    RECORD = "record"
    ON_DEMAND = "on_demand"


Sign = Callable[[str], Mapping[str, str]]
"""Returns the headers that sign a callback for the given host."""


class ForwardedCallback(Struct, frozen=True):
    """A genuine callback as we received it. `sign` signs the callback for another host; it is None
    if Live did not sign the callback, or if the stage has no key."""

    kind: Kind
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    sign: Sign | None = None

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"ForwardedCallback({self.kind.value!r}, …)"

    @property
    def is_relayed(self) -> bool:
        """Return True if another live-record has forwarded this callback already."""
        return RELAYED_HEADER in self.headers

    @property
    def is_of_acting_stage(self) -> bool:
        """Return True if the stage that forwarded this callback sends commands itself."""
        return self.headers.get(RELAYED_HEADER) == ACTING


class Handover(Struct, frozen=True):
    """A callback on its way to the function relay, all in one body. UNCONFIRMED: whether an
    asynchronous HTTP call keeps its headers and query, or only its body
    (docs/platform/function-compute.md §3.2).
    """

    key: str
    kind: Kind
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Handover({self.kind.value!r}, …)"


def unpack(body: bytes) -> Handover | None:
    """Return the callback that was handed over; None if the body is something else."""
    try:
        return decode(body, Handover)
    except Undecodable:
        return None


class Relay(Struct):
    """Hands callbacks to the function `relay` by an asynchronous call. `missed` counts the failed
    calls."""

    url: str
    key: str
    missed: int = 0

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Relay(…)"

    def hand(self, callback: ForwardedCallback) -> None:
        """Hand the callback over to the function `relay`. If that fails, raise Unanswered: the
        callback is lost for its previous receiver, and our answer to Live does not change."""
        try:
            self._hand(callback)
        except Unanswered:
            self.missed += 1
            raise

    def _hand(self, callback: ForwardedCallback) -> None:
        status, _ = http.call(self._outgoing(callback), patience=TIMEOUT_S)
        if not http.is_taken(status):
            raise Unanswered(f"status {status}")

    def _outgoing(self, callback: ForwardedCallback) -> Outgoing:
        headers = {"Content-Type": "application/json", "X-Fc-Invocation-Type": "Async"}
        own, kind = _own(callback.headers), callback.kind
        handover = Handover(self.key, kind, own, callback.query, callback.body)
        try:
            return Outgoing("POST", self.url, headers, json.encode(handover))
        except UnicodeEncodeError as error:  # a lone surrogate, in a name that somebody sent
            raise Unanswered(type(error).__name__) from None


class Onward(Struct, frozen=True):
    """Forwards callbacks, but only to public addresses of the `hosts`. `anywhere` is for the
    emulator, whose targets run on the same machine. `mode` is the mode of this stage: "act" or
    "observe"."""

    hosts: tuple[str, ...]
    anywhere: bool = False
    mode: str = ""

    def deliver(
        self, target: str, callback: ForwardedCallback, *, patience: float
    ) -> tuple[int, bytes]:
        """Forward a callback to the URL `target`; return the status and body of the answer. Raise
        Unanswered if no readable answer came within about `patience` seconds, or if the target's
        host or address is not allowed."""
        from shared.outbound.public_address import reachable

        if (urlsplit(target).hostname or "").lower() not in self.hosts:
            raise Unanswered("the receiver's host is not in LIVE_RECORD_FORWARD_HOSTS")
        may_reach = reachable(anywhere=self.anywhere)
        return http.call(
            onward(target, callback, self.mode), patience=patience, may_reach=may_reach
        )


def onward(target: str, callback: ForwardedCallback, mode: str) -> Outgoing:
    """Return the request that forwards a callback to the URL `target`, in the form in which the
    target expects it from Live (docs/platform/live.md §3). The signature of an ingest callback
    covers the ingest domain and stays valid; other callbacks are signed again, for the target's
    host. A header names `mode`, the mode of this stage.
    """
    headers = {**_own(callback.headers), RELAYED_HEADER: mode}
    if callback.kind is not Kind.STREAM and callback.sign is not None:
        headers |= callback.sign(urlsplit(target).hostname or "")
    method = "POST" if callback.kind is Kind.RECORD else "GET"
    return Outgoing(method, with_query(target, callback.query), headers, callback.body)


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """Return Live's own headers. Proxies on the way added the others."""
    named = {name: headers[name] for name in headers if name.lower() in _KEPT}
    signed = {name: headers[name] for name in _SIGNED if name in headers}
    return {**named, **signed}


def with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

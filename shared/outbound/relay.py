"""Forwards genuine callbacks to their previous receiver: handed over at once, sent on later.

ApsaraVideo Live knows one URL per kind of callback, and users have one set already. Invocations
hand callbacks over; the functions relay and on_demand send them on. A forwarded callback is in no
store and in no log: it holds the push URL's secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import urlencode, urlsplit

from msgspec import DecodeError, Struct, json

from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered

RELAYED_HEADER = "X-Live-Record-Relayed"
"""Marks a forwarded callback, and says in which mode the stage is that forwards it: a target that
is another live-record does not forward it again, and notices if both of them act."""
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
    """A genuine callback as it reached us. `sign` signs it anew for another host; None if Live did
    not sign it, or if there is no key."""

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
        """Return True if another live-record has forwarded it already."""
        return RELAYED_HEADER in self.headers

    @property
    def is_of_acting_stage(self) -> bool:
        """Return True if a stage has forwarded it that sends commands itself."""
        return self.headers.get(RELAYED_HEADER) == ACTING


class Handover(Struct, frozen=True):
    """A callback on its way to the function relay, all in one body. Whether an asynchronous call
    over HTTP arrives with its headers and query, or as its body alone, is UNCONFIRMED
    (docs/platform/function-compute.md §3.2)."""

    key: str
    kind: Kind
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Handover({self.kind.value!r}, …)"


def unpack(body: bytes) -> Handover | None:
    """Return what was handed over; None if the body is something else."""
    try:
        return json.decode(body, type=Handover)
    except (DecodeError, RecursionError):
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
        """Hand the callback over, or raise Unanswered: the callback is lost then, and our answer to
        Live is not affected."""
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
        except UnicodeEncodeError as error:  # half a character, in a name that somebody sent
            raise Unanswered(type(error).__name__) from None


class Onward(Struct, frozen=True):
    """Where callbacks may be forwarded to: public addresses of these hosts. `anywhere` is for the
    emulator, whose targets are programs of the same machine. `mode` is that of this stage."""

    hosts: tuple[str, ...]
    anywhere: bool = False
    mode: str = ""

    def deliver(
        self, target: str, callback: ForwardedCallback, *, patience: float
    ) -> tuple[int, bytes]:
        """Forward a callback; return the status and the body of the answer. Raise Unanswered, also
        for a target that callbacks may not be forwarded to."""
        from shared.outbound.public_address import reachable

        if (urlsplit(target).hostname or "").lower() not in self.hosts:
            raise Unanswered("its host is not in LIVE_RECORD_FORWARD_HOSTS")
        may_reach = reachable(anywhere=self.anywhere)
        return http.call(
            onward(target, callback, self.mode), patience=patience, may_reach=may_reach
        )


def onward(target: str, callback: ForwardedCallback, mode: str) -> Outgoing:
    """Return the callback as its target expects it from Live itself (docs/platform/live.md §3).
    Ingest callbacks are signed over the ingest domain, so their signature stays valid; the others
    are signed anew, over the target's host. `mode` is that of this stage."""
    headers = {**_own(callback.headers), RELAYED_HEADER: mode}
    if callback.kind is not Kind.STREAM and callback.sign is not None:
        headers |= callback.sign(urlsplit(target).hostname or "")
    method = "POST" if callback.kind is Kind.RECORD else "GET"
    return Outgoing(method, with_query(target, callback.query), headers, callback.body)


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """Return Live's own headers; the others belong to the hops that the callback took."""
    named = {name: headers[name] for name in headers if name.lower() in _KEPT}
    signed = {name: headers[name] for name in _SIGNED if name in headers}
    return {**named, **signed}


def with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

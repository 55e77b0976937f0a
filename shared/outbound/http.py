"""Short HTTP calls to anyone but Live: answered within their patience, or given up.

The wake-up call, the relay and on_demand use it. It retries nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field

from shared.outbound import tls

if TYPE_CHECKING:
    from http.client import HTTPConnection

MAX_ANSWER_BYTES = 2048
"""bytes of an answer that are read; no service that we call answers with more."""


class Unanswered(Exception):
    """No readable answer came in time. The text names the kind of failure, and no address."""


class Outgoing(Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Outgoing({self.method!r}, …)"


def call(outgoing: Outgoing, *, patience: float) -> tuple[int, bytes]:
    """Return status and body; raise Unanswered. `patience` (s) is for connecting and each read."""
    from http.client import HTTPException
    from ssl import SSLCertVerificationError

    try:
        try:
            return _call(outgoing, patience)
        except SSLCertVerificationError:
            tls.trust_all_roots()
            return _call(outgoing, patience)
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from None


def _call(outgoing: Outgoing, patience: float) -> tuple[int, bytes]:
    address = urlsplit(outgoing.url)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    with closing(_connection(address, patience)) as connection:
        connection.request(outgoing.method, target, outgoing.body or None, dict(outgoing.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES)


def _connection(address: SplitResult, patience: float) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    host = address.hostname or ""
    if address.scheme == "https":
        return HTTPSConnection(host, address.port, timeout=patience, context=tls.context())
    return HTTPConnection(host, address.port, timeout=patience)

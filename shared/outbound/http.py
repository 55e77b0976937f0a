"""Short HTTP calls to anyone but Live: answered within their patience, or given up.

The wake-up call, the relay and on_demand use it. It retries nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct, field

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
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    address = urlsplit(outgoing.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    connection = kind(address.hostname or "", address.port, timeout=patience)
    try:
        connection.request(outgoing.method, target, outgoing.body or None, dict(outgoing.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from None
    finally:
        connection.close()

"""Short HTTP calls of ours to anyone but Live: answered within their patience, or given up."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct, field

MAX_ANSWER_BYTES = 2048
"""Nobody we call has more to say."""


class Unanswered(Exception):
    """Nothing that could be read came back in time. It says which kind of trouble, and no more."""


class Outgoing(Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        """Secrets stay out of it."""
        return f"Outgoing({self.method!r}, …)"


def call(what: Outgoing, *, patience: float) -> tuple[int, bytes]:
    """Status and body; raises Unanswered. `patience` is in s, for connecting and for each read."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    address = urlsplit(what.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    connection = kind(address.hostname or "", address.port, timeout=patience)
    try:
        connection.request(what.method, target, what.body or None, dict(what.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from None
    finally:
        connection.close()

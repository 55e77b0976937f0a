"""Short HTTP calls to anyone but Live: answered within their patience, or given up.

The wake-up call, the relay and on_demand use it. It retries nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field

from shared.outbound import tls
from shared.outbound.bounded_socket import (
    CallDeadline,
    MayReach,
    closed_on_error,
    connect,
    deadline_after,
)

if TYPE_CHECKING:
    from http.client import HTTPConnection

T = TypeVar("T")

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


def call(
    outgoing: Outgoing, *, patience: float, may_reach: MayReach = lambda _address: True
) -> tuple[int, bytes]:
    """Return status and body; raise Unanswered. `patience` (s) is for the whole call, however
    slowly the other side sends."""
    from http.client import HTTPException
    from ssl import SSLCertVerificationError

    try:
        with deadline_after(patience) as deadline:
            try:
                return _call(outgoing, deadline, may_reach)
            except SSLCertVerificationError:
                tls.trust_all_roots()
                return _call(outgoing, deadline, may_reach)
            except (OSError, HTTPException):
                deadline.check()  # the end of the call looks like the other side's
                raise
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from None


def in_time(ask: Callable[[], T], patience: float) -> T:
    """Return what `ask` does, or raise Unanswered a moment after `patience` (s) at the latest. It
    runs in a thread of its own, since no deadline ends the resolution of a name."""
    from threading import Thread

    answers: list[T | Unanswered] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Unanswered as error:
            answers.append(error)

    thread = Thread(target=run, daemon=True, name="http")
    thread.start()
    thread.join(patience + 0.5)
    answer = answers[0] if answers else Unanswered("no answer in time")
    if isinstance(answer, Unanswered):
        raise answer
    return answer


def is_taken(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the successes of HTTP


def _call(outgoing: Outgoing, deadline: CallDeadline, may_reach: MayReach) -> tuple[int, bytes]:
    address = urlsplit(outgoing.url)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    with closing(_connection(address, deadline, may_reach)) as connection:
        connection.request(outgoing.method, target, outgoing.body or None, dict(outgoing.headers))
        # A response without a length holds the socket by itself, also where reading it raises.
        with closing(connection.getresponse()) as answer:
            body = answer.read(MAX_ANSWER_BYTES)
        deadline.check()
        return answer.status, body


def _connection(
    address: SplitResult, deadline: CallDeadline, may_reach: MayReach
) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    host = address.hostname or ""
    if address.scheme != "https":
        plain = HTTPConnection(host, address.port)
        plain.sock = connect(host, plain.port, deadline, may_reach)
        return plain
    secure = HTTPSConnection(host, address.port, context=tls.context())
    raw = connect(host, secure.port, deadline, may_reach)
    # The handshake comes after `watch`: a server may drag it out, too.
    sock = tls.context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    with closed_on_error(sock):
        deadline.watch(sock)
        sock.do_handshake()
    secure.sock = sock
    return secure

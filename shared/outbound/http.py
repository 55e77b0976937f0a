"""Makes short HTTP calls to anyone but Live, with a time limit.

The wake-up call, the relay, on_demand, webhooks, robots and the heartbeat use this module. It sends
a request again only if a kept connection ended before the answer came. So such a request may arrive
twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field

from shared.outbound import tls
from shared.outbound.bounded_socket import (
    BoundedSocket,
    CallDeadline,
    MayReach,
    closed_on_error,
    connect,
)

if TYPE_CHECKING:
    from http.client import HTTPConnection

T = TypeVar("T")

MAX_ANSWER_BYTES = 2048
"""bytes of an answer that are read at most. An answer whose text is used has fewer."""


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
    """Make the call; return the status, and at most MAX_ANSWER_BYTES of the body. Raise Unanswered
    if no readable answer came within about `patience` seconds, however slowly the other side
    sends."""

    def on_new() -> tuple[int, bytes]:
        with _answered():
            deadline = CallDeadline(patience)
            with closing(_connection(urlsplit(outgoing.url), deadline, may_reach)) as connection:
                return _exchanged(connection, outgoing)

    return _in_time(on_new, patience)


class Connections:
    """Connections that stay open from call to call. An address has as many connections as there
    were calls to it at the same time. Threads share them; the owner closes them."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[str, str], list[HTTPConnection]] = defaultdict(list)

    def call(self, outgoing: Outgoing, *, patience: float, may_reach: MayReach) -> int:
        """Make the call on a kept connection, or else on a new one; return the status. Raise
        Unanswered if no readable answer came within about `patience` seconds. If the kept
        connection ends before the answer comes, send the request again on a new one."""
        from ssl import SSLError

        address, deadline = urlsplit(outgoing.url), CallDeadline(patience)
        free = self._free[address.scheme, address.netloc]

        def on_new() -> int:
            with _answered():
                return _exchanged_and_kept(
                    _connection(address, deadline, may_reach), outgoing, free
                )

        with _answered():
            with suppress(IndexError, ConnectionError, SSLError):
                kept = free.pop()
                cast("BoundedSocket", kept.sock).deadline = deadline
                return _exchanged_and_kept(kept, outgoing, free)
            return _in_time(on_new, deadline.left())

    def close(self) -> None:
        for free in self._free.values():
            while free:
                free.pop().close()


def _exchanged_and_kept(
    connection: HTTPConnection, outgoing: Outgoing, free: list[HTTPConnection]
) -> int:
    try:
        status, _ = _exchanged(connection, outgoing)
    except BaseException:
        connection.close()
        raise
    if connection.sock is not None:
        free.append(connection)
    return status


@contextmanager
def _answered() -> Iterator[None]:
    """Raise Unanswered if no readable answer came in time."""
    from http.client import HTTPException

    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from None


def _in_time(ask: Callable[[], T], patience: float) -> T:
    """Return the result of `ask`. Raise Unanswered if there is none within about `patience`
    seconds. `ask` runs in a thread of its own, because no timeout limits the resolution of a name.
    """
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


def _exchanged(connection: HTTPConnection, outgoing: Outgoing) -> tuple[int, bytes]:
    """Return status and body of the answer; close the connection unless it can be used again."""
    address = urlsplit(outgoing.url)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    connection.request(outgoing.method, target, outgoing.body or None, dict(outgoing.headers))
    # A response without a length keeps the socket open, even if reading it raises: close it.
    with closing(connection.getresponse()) as answer:
        body = answer.read(MAX_ANSWER_BYTES)
        if not answer.isclosed():  # the body is longer
            connection.close()
    return answer.status, body


def _connection(
    address: SplitResult, deadline: CallDeadline, may_reach: MayReach
) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection
    from ssl import SSLCertVerificationError

    host, port = address.hostname or "", address.port
    connection = HTTPConnection(host, port)
    if address.scheme == "https":  # without a context it would read all of the machine's roots
        connection = HTTPSConnection(host, port, context=tls.context())
    connection.auto_open = 0  # it would connect by itself, to any address
    try:
        connection.sock = _socket(connection, deadline, may_reach)
    except SSLCertVerificationError:
        tls.trust_all_roots()
        connection.sock = _socket(connection, deadline, may_reach)
    return connection


def _socket(
    connection: HTTPConnection, deadline: CallDeadline, may_reach: MayReach
) -> BoundedSocket:
    from http.client import HTTPSConnection

    sock = connect(connection.host, connection.port, deadline, may_reach)
    if isinstance(connection, HTTPSConnection):
        # The handshake comes later: a server may drag it out, too.
        sock = tls.context().wrap_socket(
            sock, server_hostname=connection.host, do_handshake_on_connect=False
        )
        with closed_on_error(sock):
            sock.settimeout(deadline.left())
            sock.do_handshake()
    return BoundedSocket(sock, deadline)

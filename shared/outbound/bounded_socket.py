"""A connection that is made and used within one deadline, to addresses that may be reached.

`http` makes its connections with it. It knows neither HTTP nor TLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

MAX_ADDRESSES = 3
"""Addresses of a name that are tried, one after the other."""

MayReach = Callable[[str], bool]
"""Returns whether a resolved address may be connected to."""


class ForbiddenAddress(OSError):
    """The name leads to addresses that may not be connected to."""


def connect(host: str, port: int, deadline: CallDeadline, may_reach: MayReach) -> socket.socket:
    """Return a socket that is connected to an address of the host. The address is checked here,
    where it is used: a name may lead elsewhere a moment later."""
    import socket

    failed: OSError = ForbiddenAddress(host)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found[:MAX_ADDRESSES]:
        if not may_reach(str(address[0])):
            continue
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(deadline.patience)
        try:
            with closed_on_error(sock):
                deadline.watch(sock)
                sock.connect(address)
        except OSError as error:
            deadline.check()
            failed = error
        else:
            return sock
    raise failed


@contextmanager
def closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise


class CallDeadline:
    """Ends a call after `patience` s. A socket's own timeout bounds a single read, so that a peer
    which sends a byte now and then would keep a call for ever."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._sock: socket.socket | None = None
        self._passed = False

    def watch(self, sock: socket.socket) -> None:
        """Have the end of the call shut this socket down. Raise TimeoutError if it is over."""
        self._sock = sock
        self.check()

    def check(self) -> None:
        if self._passed:
            raise TimeoutError

    def end(self) -> None:
        self._passed = True
        with suppress(OSError):
            if self._sock is not None:
                self._sock.shutdown(2)  # both ways: a read in another thread returns


@contextmanager
def deadline_after(patience: float) -> Iterator[CallDeadline]:
    from threading import Timer

    deadline = CallDeadline(patience)
    timer = Timer(patience, deadline.end)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()

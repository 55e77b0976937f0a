"""A connection made and used within one deadline, to allowed addresses only.

`http` and `s3` make their connections with it. It knows neither HTTP nor TLS.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

MAX_ADDRESSES = 3
"""Addresses of a name that are tried, one after the other."""

MayReach = Callable[[str], bool]
"""Returns whether a resolved address may be connected to."""


class ForbiddenAddress(OSError):
    """The name resolves only to addresses that may not be called."""


class CallDeadline:
    """The end of a call, `patience` seconds from now."""

    def __init__(self, patience: float) -> None:
        self._ends_s = time.monotonic() + patience

    def left(self) -> float:
        """Return the seconds that are left. Raise TimeoutError if no time is left."""
        left = self._ends_s - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connect(host: str, port: int, deadline: CallDeadline, may_reach: MayReach) -> socket.socket:
    """Return a socket connected to one of the host's addresses that `may_reach` allows. Raise
    ForbiddenAddress if it allows none, or OSError if no connection can be made in time. The
    addresses are checked here, because a name may resolve differently a moment later."""
    import socket

    failed: OSError = ForbiddenAddress(host)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found[:MAX_ADDRESSES]:
        if not may_reach(str(address[0])):
            continue
        left = deadline.left()
        sock = socket.socket(family, kind, protocol)
        try:
            with closed_on_error(sock):
                sock.settimeout(left)
                sock.connect(address)
                # A request is two writes: the second must not wait until the first is acknowledged.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            deadline.left()
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


class BoundedSocket:
    """A socket for `http.client` whose whole call ends at a deadline. A socket's own timeout limits
    single reads, so a peer that sends a byte now and then could hold a call for ever. Here each
    read gets only the time that is left for the call."""

    def __init__(self, sock: socket.socket, deadline: CallDeadline) -> None:
        self._sock = sock
        self.deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self.deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self, self._sock.makefile("rb", buffering=0)))

    def recv_by(self, raw: io.RawIOBase, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(self.deadline.left())
        return raw.readinto(buffer)

    def close(self) -> None:
        self._sock.close()


class _Reads(io.RawIOBase):
    """The data read from the socket; `raw` keeps the socket open until all is read."""

    def __init__(self, sock: BoundedSocket, raw: io.RawIOBase) -> None:
        self._bounded, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        return self._bounded.recv_by(self._raw, buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

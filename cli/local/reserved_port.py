"""Reserves a free port for a server that begins to listen later.

The local stack and the Redis server use this module.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

HOST = "127.0.0.1"


class ReservedPort:
    """A port for a server to listen on: `port`, or a free one if `port` is 0. On Linux, nobody else
    is assigned the free port until it is released. The server itself may listen on it, because
    servers set SO_REUSEADDR."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        if not port:
            self._take()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.release()

    def release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _take(self) -> None:
        self._socket = _bind(0)
        self.port = self._socket.getsockname()[1]
        try:
            with _bind(self.port) as server:
                server.listen()
        except OSError:
            self.release()  # on other systems the reservation would block the server itself


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound

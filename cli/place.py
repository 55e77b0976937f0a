"""A free port for a server that begins to listen later."""

from __future__ import annotations

import socket
import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

HOST = "127.0.0.1"


class Place:
    """The port that was asked for, or with 0 a free one: on Linux nobody else is given that until
    it is left, while whoever sets SO_REUSEADDR, as servers do, may listen there."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        if not port:
            self._take()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _take(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.port = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self.leave()  # elsewhere it would be in the way of the server itself

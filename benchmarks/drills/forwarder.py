"""A fixed address in front of exchangeable servers, like the address of a managed instance.

The drills and the tests of the store put it before their servers.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cli.local.reserved_port import HOST

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

CHUNK_BYTES = 1 << 16


class Forwarder:
    """Forwards each new connection to the port in `target`. Open connections keep their port."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server((HOST, 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_raised: object) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._forward(client)

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HOST, self.target))
        except OSError:
            client.close()  # as a balancer does with nothing behind it
            return
        self._sockets.append(server)
        for source, sink in ((client, server), (server, client)):
            thread = threading.Thread(target=_carry, args=(source, sink))
            self._threads.append(thread)
            thread.start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)

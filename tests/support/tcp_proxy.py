"""A proxy in front of a server that speaks TCP: it keeps the requests with a certain word, and can
hold each of them back for a while."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on


class TcpProxy:
    """Runs in threads while it is entered. `seen` are the requests with `word`; each
    reaches the server `delay_s` later."""

    def __init__(self, server_port: int, word: bytes) -> None:
        self.delay_s = 0.0
        self.seen: list[bytes] = []
        self._server_port, self._word = server_port, word
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            for ways in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=ways, daemon=True).start()

    def _pass_on(self, from_: socket.socket, to: socket.socket, is_request: bool) -> None:
        with suppress(OSError), closing(to):
            while chunk := from_.recv(65536):
                if is_request and self._word in chunk:
                    self.seen.append(chunk)
                    self._closing.wait(self.delay_s)
                to.sendall(chunk)

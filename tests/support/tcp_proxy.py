"""A proxy in front of a server that speaks TCP: it keeps the requests with a certain word, and can
hold each of them back for a while."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

from tests.support.loopback_server import LoopbackServer


class TcpProxy(LoopbackServer):
    """A proxy in which `seen` are the requests with `word`; each reaches the server `delay_s`
    later."""

    def __init__(self, server_port: int, word: bytes) -> None:
        super().__init__()
        self.delay_s = 0.0
        self.seen: list[bytes] = []
        self._server_port, self._word = server_port, word

    def _serve(self, caller: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server_port))
        threading.Thread(target=self._pass_on, args=(server, caller, False), daemon=True).start()
        self._pass_on(caller, server, True)

    def _pass_on(self, from_: socket.socket, to: socket.socket, is_request: bool) -> None:
        with suppress(OSError), closing(to):
            while chunk := from_.recv(65536):
                if is_request and self._word in chunk:
                    self.seen.append(chunk)
                    self._closing.wait(self.delay_s)
                to.sendall(chunk)

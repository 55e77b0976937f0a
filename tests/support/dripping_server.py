"""A server that answers byte by byte, without an end: each byte comes well before a read would time
out. It counts the calls, and those whose caller gave up."""

from __future__ import annotations

import socket
from contextlib import closing

from tests.support.loopback_server import LoopbackServer

PAUSE_S = 0.1
IN_HEAD, IN_BODY = "/head", "/body"
_BEGINNINGS = {
    IN_HEAD: b"HTTP/1.1 200 OK\r\nX-Long: ",
    IN_BODY: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}


class DrippingServer(LoopbackServer):
    """The path of a request says whether the head or the body of its answer drips."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []
        self.left: list[str] = []
        self.url = f"http://127.0.0.1:{self.port}"

    def _serve(self, caller: socket.socket) -> None:
        with closing(caller):
            request = caller.recv(65536)
            path = next(path for path in _BEGINNINGS if f" {path}".encode() in request)
            self.called.append(path)
            try:
                caller.sendall(_BEGINNINGS[path])
                while not self._closing.wait(PAUSE_S):
                    caller.sendall(b"x")
            except OSError:
                self.left.append(path)

"""A server that answers byte by byte, without an end: each byte comes well before a read would time
out. It counts the calls, and those whose other side had enough."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

PAUSE_S = 0.1
IN_HEAD, IN_BODY = "/head", "/body"
_BEGINNINGS = {
    IN_HEAD: b"HTTP/1.1 200 OK\r\nX-Long: ",
    IN_BODY: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}


class DrippingServer:
    """Runs in threads while it is entered. The path says where its answer drips."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.left: list[str] = []
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(caller,), daemon=True).start()

    def _drip(self, caller: socket.socket) -> None:
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
